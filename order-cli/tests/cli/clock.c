/* Loaded before a process of a test: its time of day is wrong by CLOCK_WRONG_BY seconds, and no other clock is. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdlib.h>
#include <time.h>

int clock_gettime(clockid_t clock, struct timespec *now) {
    static int (*real)(clockid_t, struct timespec *);
    if (!real) real = (int (*)(clockid_t, struct timespec *))dlsym(RTLD_NEXT, "clock_gettime");
    int failed = real(clock, now);
    const char *by = getenv("CLOCK_WRONG_BY");
    if (!failed && clock == CLOCK_REALTIME && by) now->tv_sec += atol(by);
    return failed;
}
