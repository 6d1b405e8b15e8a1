/* A disk that takes its time: the writer's thread waits in each write; loaded before the C library (LD_PRELOAD). */
#define _GNU_SOURCE
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

static atomic_long delay_ms;

void ramal_disk_delay(long milliseconds) { atomic_store(&delay_ms, milliseconds); }

static void take_time(void) {
    char name[16] = "";
    pthread_getname_np(pthread_self(), name, sizeof name);
    if (strcmp(name, "ramal-writer") != 0) return;
    /* In small steps: when the disk is well again, nobody waits for the rest. */
    for (long waited = 0; waited < atomic_load(&delay_ms); waited += 10) {
        const struct timespec step = {0, 10 * 1000 * 1000};
        nanosleep(&step, NULL);
    }
}

ssize_t pwrite(int descriptor, const void *data, size_t size, off_t at) {
    take_time();
    return syscall(SYS_pwrite64, descriptor, data, size, at);
}

ssize_t pwrite64(int descriptor, const void *data, size_t size, off_t at) {
    take_time();
    return syscall(SYS_pwrite64, descriptor, data, size, at);
}
