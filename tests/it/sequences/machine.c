/* What a test changes about the machine that a program runs on, without the program's help: put
 * before libc by LD_PRELOAD.
 *
 * AAD_MACHINE_CLOCK=N   the clock is N seconds off (times since the start of the system are not)
 * AAD_MACHINE_DIES_AT=N the program is killed in place of its Nth call that changes a file; those
 *                       that it starts are not
 *
 * Nothing is waited for until it is on the disk.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

static long clock_off;
static long calls_left;

__attribute__((constructor)) static void start(void) {
  const char *clock = getenv("AAD_MACHINE_CLOCK");
  const char *dies_at = getenv("AAD_MACHINE_DIES_AT");
  if (clock != NULL)
    clock_off = atol(clock);
  if (dies_at != NULL) {
    __atomic_store_n(&calls_left, atol(dies_at), __ATOMIC_SEQ_CST);
    unsetenv("AAD_MACHINE_DIES_AT");
  }
}

static void changes_a_file(void) {
  if (__atomic_load_n(&calls_left, __ATOMIC_SEQ_CST) > 0 &&
      __atomic_sub_fetch(&calls_left, 1, __ATOMIC_SEQ_CST) == 0)
    kill(getpid(), SIGKILL);
}

int clock_gettime(clockid_t clock, struct timespec *time) {
  int result = (int)syscall(SYS_clock_gettime, clock, time);
  if (result == 0 && (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE))
    time->tv_sec += clock_off;
  return result;
}

static int opens(const char *path, int flags, mode_t mode) {
  if (flags & (O_CREAT | O_TRUNC))
    changes_a_file();
  return (int)syscall(SYS_openat, AT_FDCWD, path, flags, mode);
}

int open(const char *path, int flags, ...) {
  va_list rest;
  va_start(rest, flags);
  mode_t mode = (flags & O_CREAT) ? (mode_t)va_arg(rest, int) : 0;
  va_end(rest);
  return opens(path, flags, mode);
}

int open64(const char *path, int flags, ...) {
  va_list rest;
  va_start(rest, flags);
  mode_t mode = (flags & O_CREAT) ? (mode_t)va_arg(rest, int) : 0;
  va_end(rest);
  return opens(path, flags | O_LARGEFILE, mode);
}

ssize_t write(int file, const void *bytes, size_t count) {
  changes_a_file();
  return syscall(SYS_write, file, bytes, count);
}

/* A program that is killed loses nothing that it wrote: only a machine that dies does. */
int fsync(int file) {
  (void)file;
  changes_a_file();
  return 0;
}

int fdatasync(int file) { return fsync(file); }

int flock(int file, int operation) {
  changes_a_file();
  return (int)syscall(SYS_flock, file, operation);
}

int mkdir(const char *path, mode_t mode) {
  changes_a_file();
  return (int)syscall(SYS_mkdirat, AT_FDCWD, path, mode);
}

int unlink(const char *path) {
  changes_a_file();
  return (int)syscall(SYS_unlinkat, AT_FDCWD, path, 0);
}

int rename(const char *from, const char *to) {
  changes_a_file();
  return (int)syscall(SYS_renameat2, AT_FDCWD, from, AT_FDCWD, to, 0);
}
