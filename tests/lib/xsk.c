/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sends a frame through AF_XDP, in copy mode, past every hook of its own device and cgroup: what
 * only the other end of a veth can stop. Usage: xsk DEVICE FRAME-IN-HEX TIMES.
 */
#include <errno.h>
#include <linux/if_xdp.h>
#include <net/if.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#ifndef AF_XDP
#define AF_XDP 44
#endif
#ifndef SOL_XDP
#define SOL_XDP 283
#endif

#define CHUNK 4096u
#define RING  16u

static void fail(const char *what)
{
	perror(what);
	exit(1);
}

static void set(int fd, int option, const void *value, socklen_t n)
{
	if (setsockopt(fd, SOL_XDP, option, value, n) < 0)
		fail("setsockopt");
}

static uint8_t *make_umem(int fd)
{
	struct xdp_umem_reg reg = { .len = (uint64_t)RING * CHUNK, .chunk_size = CHUNK };
	uint8_t *area = mmap(NULL, RING * CHUNK, PROT_READ | PROT_WRITE,
			     MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	uint32_t ring = RING;

	if (area == MAP_FAILED)
		fail("mmap");
	reg.addr = (uintptr_t)area;
	set(fd, XDP_UMEM_REG, &reg, sizeof(reg));
	set(fd, XDP_UMEM_FILL_RING, &ring, sizeof(ring));
	set(fd, XDP_UMEM_COMPLETION_RING, &ring, sizeof(ring));
	set(fd, XDP_TX_RING, &ring, sizeof(ring));
	return area;
}

static size_t read_hex(const char *hex, uint8_t *to)
{
	size_t n = strlen(hex) / 2;
	unsigned byte;

	for (size_t i = 0; i < n && i < CHUNK; i++) {
		if (sscanf(hex + 2 * i, "%2x", &byte) != 1)
			exit(2);
		to[i] = (uint8_t)byte;
	}
	return n;
}

int main(int argc, char **argv)
{
	int fd = socket(AF_XDP, SOCK_RAW, 0);
	struct xdp_mmap_offsets off;
	socklen_t n = sizeof(off);
	struct sockaddr_xdp to = { .sxdp_family = AF_XDP, .sxdp_flags = XDP_COPY };
	struct xdp_desc *desc;
	uint8_t *area, *ring;
	uint32_t times, length;

	if (argc != 4)
		return 2;
	if (fd < 0)
		fail("socket");
	area = make_umem(fd);
	length = (uint32_t)read_hex(argv[2], area);
	times = (uint32_t)strtoul(argv[3], NULL, 10) % RING;
	if (getsockopt(fd, SOL_XDP, XDP_MMAP_OFFSETS, &off, &n) < 0)
		fail("getsockopt");
	ring = mmap(NULL, off.tx.desc + RING * sizeof(*desc), PROT_READ | PROT_WRITE,
		    MAP_SHARED | MAP_POPULATE, fd, XDP_PGOFF_TX_RING);
	if (ring == MAP_FAILED)
		fail("mmap of the ring");
	to.sxdp_ifindex = if_nametoindex(argv[1]);
	if (bind(fd, (struct sockaddr *)&to, sizeof(to)) < 0)
		fail("bind");
	desc = (struct xdp_desc *)(ring + off.tx.desc);
	for (uint32_t i = 0; i < times; i++)
		desc[i] = (struct xdp_desc){ .addr = 0, .len = length };
	__atomic_store_n((uint32_t *)(ring + off.tx.producer), times, __ATOMIC_RELEASE);
	while (__atomic_load_n((uint32_t *)(ring + off.tx.consumer), __ATOMIC_ACQUIRE) != times)
		if (sendto(fd, NULL, 0, MSG_DONTWAIT, NULL, 0) < 0 && errno != EAGAIN &&
		    errno != EBUSY && errno != ENOBUFS)
			fail("send");
	return 0;
}
