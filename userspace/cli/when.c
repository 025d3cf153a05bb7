/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/when.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define SECOND_US 1000000ull

static int parse_ago(const char *s, uint64_t now_us, uint64_t *ret)
{
	static const struct {
		char unit;
		uint64_t us;
	} units[] = { { 's', SECOND_US },
		      { 'm', 60 * SECOND_US },
		      { 'h', 3600 * SECOND_US },
		      { 'd', 86400 * SECOND_US } };
	unsigned long long n;
	char *end;

	errno = 0;
	n = strtoull(s, &end, 10);
	if (errno || end == s || *end == '\0' || end[1] != '\0')
		return -EINVAL;
	for (size_t i = 0; i < ARRAY_SIZE(units); i++) {
		if (units[i].unit != *end)
			continue;
		if (n > now_us / units[i].us)
			return -EINVAL;
		*ret = now_us - n * units[i].us;
		return 0;
	}
	return -EINVAL;
}

/* `n` digits at *s, which moves behind them; -1 when there are not that many. */
static int digits(const char **s, int n)
{
	int value = 0;

	for (; n > 0; n--, (*s)++) {
		if (!isdigit((unsigned char)**s))
			return -1;
		value = value * 10 + (**s - '0');
	}
	return value;
}

static int expect(const char **s, const char *set)
{
	if (**s == '\0' || !strchr(set, **s))
		return -1;
	return (unsigned char)*(*s)++;
}

static uint64_t fraction_us(const char **s)
{
	uint64_t us = 0, scale = 100000;

	if (**s != '.')
		return 0;
	for ((*s)++; isdigit((unsigned char)**s); (*s)++, scale /= 10)
		us += (uint64_t)(**s - '0') * scale;
	return us;
}

/* Seconds east of Greenwich. */
static int parse_zone(const char **s, int *ret)
{
	int sign = expect(s, "Zz+-"), h, m;

	*ret = 0;
	if (sign == 'Z' || sign == 'z')
		return 0;
	if (sign < 0)
		return -EINVAL;
	h = digits(s, 2);
	if (h < 0 || h > 23 || expect(s, ":") < 0)
		return -EINVAL;
	m = digits(s, 2);
	if (m < 0 || m > 59)
		return -EINVAL;
	*ret = (sign == '-' ? -1 : 1) * (h * 3600 + m * 60);
	return 0;
}

static int parse_day(const char **s, struct tm *tm)
{
	int year = digits(s, 4), month, day;
	struct tm normal;

	if (year < 1970 || expect(s, "-") < 0)
		return -EINVAL;
	month = digits(s, 2);
	if (month < 1 || month > 12 || expect(s, "-") < 0)
		return -EINVAL;
	day = digits(s, 2);
	if (day < 1 || day > 31)
		return -EINVAL;
	*tm = (struct tm){ .tm_year = year - 1900, .tm_mon = month - 1, .tm_mday = day };
	/* timegm() would make 2 March of 30 February. */
	normal = *tm;
	(void)timegm(&normal);
	return normal.tm_mday == day ? 0 : -EINVAL;
}

static int parse_clock(const char **s, struct tm *tm)
{
	int hour = digits(s, 2), minute, second;

	if (hour < 0 || hour > 23 || expect(s, ":") < 0)
		return -EINVAL;
	minute = digits(s, 2);
	if (minute < 0 || minute > 59 || expect(s, ":") < 0)
		return -EINVAL;
	second = digits(s, 2);
	if (second < 0 || second > 60)
		return -EINVAL;
	tm->tm_hour = hour;
	tm->tm_min = minute;
	tm->tm_sec = second;
	return 0;
}

int when_parse(const char *s, uint64_t now_us, uint64_t *ret)
{
	struct tm tm = { 0 };
	uint64_t us = 0;
	int zone = 0;
	time_t t;

	if (parse_ago(s, now_us, ret) == 0)
		return 0;
	if (parse_day(&s, &tm) < 0)
		return -EINVAL;
	if (*s) {
		if (expect(&s, "Tt ") < 0 || parse_clock(&s, &tm) < 0)
			return -EINVAL;
		us = fraction_us(&s);
		if (parse_zone(&s, &zone) < 0 || *s)
			return -EINVAL;
	}
	t = timegm(&tm);
	if (t < zone)
		return -EINVAL;
	*ret = (uint64_t)(t - zone) * SECOND_US + us;
	return 0;
}

void when_format(uint64_t wall_us, char to[WHEN_MAX])
{
	time_t t = (time_t)(wall_us / SECOND_US);
	struct tm tm;
	char text[WHEN_MAX];

	if (!gmtime_r(&t, &tm) || strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%S", &tm) == 0) {
		(void)snprintf(to, WHEN_MAX, "%llu", (unsigned long long)wall_us);
		return;
	}
	(void)snprintf(to, WHEN_MAX, "%.20s.%03uZ", text, (unsigned)(wall_us % SECOND_US / 1000));
}

void when_format_duration(uint64_t us, char to[WHEN_MAX])
{
	unsigned long long s = us / SECOND_US;

	if (us < 1000)
		(void)snprintf(to, WHEN_MAX, "%uus", (unsigned)us);
	else if (us < SECOND_US)
		(void)snprintf(to, WHEN_MAX, "%.1fms", (double)us / 1e3);
	else if (s < 60)
		(void)snprintf(to, WHEN_MAX, "%.1fs", (double)us / 1e6);
	else if (s < 3600)
		(void)snprintf(to, WHEN_MAX, "%llum%02llus", s / 60, s % 60);
	else if (s < 86400)
		(void)snprintf(to, WHEN_MAX, "%lluh%02llum", s / 3600, s % 3600 / 60);
	else
		(void)snprintf(to, WHEN_MAX, "%llud%02lluh", s / 86400, s % 86400 / 3600);
}
