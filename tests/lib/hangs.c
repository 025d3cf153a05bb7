/* SPDX-License-Identifier: Apache-2.0 */
/* A program that, whatever it is asked, never answers and never ends. */
#include <unistd.h>

int main(void)
{
	for (;;)
		(void)pause();
}
