# SPDX-License-Identifier: Apache-2.0
"""A provider simulator: the internet of the demo and of the tests.

It has its own HTTP/1.1 and DNS code, on Python's standard library only, so that a fault of egret's
stack does not cancel out here. It must never be used as a real service.
"""
