/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a client says first, and what becomes of its connection: a governed name is terminated, any
 * other passed through. A connection to an address that nobody governs comes here only because its
 * workload is captured, or the kernel could not read its server name: that may be any protocol.
 * What is no TLS, or names no server, is passed through; so is a client that waits for the server
 * to speak, but its first bytes are looked at when they come.
 */
#pragma once

struct conn;

/* In HELLO, with nothing read yet. */
void greet_start(struct conn *c);

enum greet {
	GREET_WAIT, /* not enough has come */
	GREET_PASS, /* nothing that egret governs */
	GREET_TAKEN, /* the connection is no longer passed through: nobody may touch that any more
		      */
};
/* A client that was passed through before it said anything has spoken, the server has not. */
enum greet greet_late(struct conn *c);
/* The server was first: whatever the client says now is no hello. */
void greet_answered(struct conn *c);
