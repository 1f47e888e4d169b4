/*
 * Loaded before the C library (LD_PRELOAD) by bench/full-disk.ts: counts every call that needs room on the disk under the folder
 * $FAIL_UNDER, in all threads, and fails it with ENOSPC from the $FAIL_FROM-th on (0: none), $FAIL_ONCE alone if that is set. At the
 * end of the process the count is in the file $FAIL_COUNT.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

static atomic_long calls;
static const char *under;
static long from;
static int once;

__attribute__((constructor)) static void begin(void) {
  const char *text = getenv("FAIL_FROM");
  under = getenv("FAIL_UNDER");
  from = text ? atol(text) : 0;
  once = getenv("FAIL_ONCE") != NULL;
}

__attribute__((destructor)) static void end(void) {
  const char *path = getenv("FAIL_COUNT");
  FILE *file = path ? fopen(path, "w") : NULL;
  if (file == NULL) return;
  fprintf(file, "%ld", (long)calls);
  fclose(file);
}

/* Whether a call about `path` is to fail. */
static int fails(const char *path) {
  if (under == NULL || path == NULL || strncmp(path, under, strlen(under)) != 0) return 0;
  long number = ++calls;
  if (from == 0 || (once ? number != from : number < from)) return 0;
  errno = ENOSPC;
  return 1;
}

static int descriptor_fails(int descriptor) {
  char link[64], path[PATH_MAX];
  snprintf(link, sizeof link, "/proc/self/fd/%d", descriptor);
  ssize_t length = readlink(link, path, sizeof path - 1);
  if (length < 0) return 0;
  path[length] = 0;
  return fails(path);
}

#define REAL(name) __typeof__(&name) real = (__typeof__(&name))dlsym(RTLD_NEXT, #name)

ssize_t write(int descriptor, const void *bytes, size_t count) {
  REAL(write);
  return descriptor_fails(descriptor) ? -1 : real(descriptor, bytes, count);
}
ssize_t pwrite(int descriptor, const void *bytes, size_t count, off_t offset) {
  REAL(pwrite);
  return descriptor_fails(descriptor) ? -1 : real(descriptor, bytes, count, offset);
}
ssize_t pwrite64(int descriptor, const void *bytes, size_t count, off64_t offset) {
  REAL(pwrite64);
  return descriptor_fails(descriptor) ? -1 : real(descriptor, bytes, count, offset);
}
ssize_t writev(int descriptor, const struct iovec *parts, int count) {
  REAL(writev);
  return descriptor_fails(descriptor) ? -1 : real(descriptor, parts, count);
}
int fsync(int descriptor) {
  REAL(fsync);
  return descriptor_fails(descriptor) ? -1 : real(descriptor);
}
int rename(const char *old, const char *new) {
  REAL(rename);
  return fails(new) ? -1 : real(old, new);
}
int mkdir(const char *path, mode_t mode) {
  REAL(mkdir);
  return fails(path) ? -1 : real(path, mode);
}
int open(const char *path, int flags, ...) {
  REAL(open);
  va_list list;
  va_start(list, flags);
  mode_t mode = (flags & O_CREAT) ? va_arg(list, mode_t) : 0;
  va_end(list);
  return (flags & O_CREAT) && fails(path) ? -1 : real(path, flags, mode);
}
int open64(const char *path, int flags, ...) {
  REAL(open64);
  va_list list;
  va_start(list, flags);
  mode_t mode = (flags & O_CREAT) ? va_arg(list, mode_t) : 0;
  va_end(list);
  return (flags & O_CREAT) && fails(path) ? -1 : real(path, flags, mode);
}
