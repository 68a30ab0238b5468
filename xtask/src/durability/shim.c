/*
 * Between a program and the C library: counts the calls that change files below one folder or make them durable, kills
 * the program at the n-th or lets calls fail from the n-th on, and records what was done in which order.
 *
 * Loaded with LD_PRELOAD by `shim.rs`, which explains the environment variables. For tests on Linux alone.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

enum fault { NONE, KILL, FULL, IO, BUSY, SHORT, READ };
/* What a call does, as the trace names it; the last three are never recorded. */
enum call { WRITE = 1, CUT, SYNC, CREATE, UNLINK, RENAME, SYNC_FOLDER, SAID, READING, LOCKING, OPENING };

#define FILES 4096
static char *files[FILES];
static char folder[PATH_MAX];
static size_t folder_length;
static enum fault fault;
static long at, count;
static int armed, is_set_up, with_data, once, trace = -1;
static pthread_mutex_t lock = PTHREAD_RECURSIVE_MUTEX_INITIALIZER_NP;

#define NEXT(name) static __typeof__(&name) next; if (!next) next = (__typeof__(&name))dlsym(RTLD_NEXT, #name)

static void set_up(void) {
  if (is_set_up) return;
  is_set_up = 1;
  const char *value = getenv("COTERIE_SHIM_FOLDER");
  if (!value) return;
  snprintf(folder, sizeof folder, "%s", value);
  folder_length = strlen(folder);
  const char *kinds[] = {"none", "kill", "full", "io", "busy", "short", "read"};
  if ((value = getenv("COTERIE_SHIM_FAULT")))
    for (int kind = 0; kind < 7; kind++)
      if (!strcmp(value, kinds[kind])) fault = kind;
  if ((value = getenv("COTERIE_SHIM_AT"))) at = atol(value);
  armed = getenv("COTERIE_SHIM_ARMED") != NULL;
  once = getenv("COTERIE_SHIM_ONCE") != NULL;
  with_data = getenv("COTERIE_SHIM_DATA") != NULL;
  if ((value = getenv("COTERIE_SHIM_TRACE")))
    trace = syscall(SYS_openat, AT_FDCWD, value, O_WRONLY | O_CREAT | O_TRUNC | O_APPEND | O_CLOEXEC, 0600);
}

static int ends_with(const char *path, const char *end) {
  size_t length = strlen(path), tail = strlen(end);
  return length >= tail && !strcmp(path + length - tail, end);
}

/* The path behind the folder, "." for the folder itself, none for what is not durable state. */
static const char *inside(const char *path) {
  set_up();
  if (!folder_length || !path || strncmp(path, folder, folder_length)) return NULL;
  if (!path[folder_length]) return ".";
  return path[folder_length] == '/' && !ends_with(path, ".lock") ? path + folder_length + 1 : NULL;
}

static const char *name_of(int fd) { return fd >= 0 && fd < FILES && files[fd] ? files[fd] : NULL; }

static int is_index(const char *name) { return ends_with(name, "-shm"); }

static int meets(enum call call, const char *name) {
  switch (fault) {
  case KILL: return !is_index(name) && call <= SYNC_FOLDER;
  case FULL: case SHORT: return call == WRITE || call == CUT || call == CREATE || call == RENAME;
  case IO: return call <= SYNC_FOLDER;
  case READ: return call == READING;
  case BUSY: return call == LOCKING;
  default: return 0;
  }
}

/* Whether the call is to fail; does not come back where the program is to die. */
static int strikes(enum call call, const char *name) {
  if (!armed || !meets(call, name)) return 0;
  count++;
  if (!at || count < at || (once && count > at)) return 0;
  if (fault == KILL) {
    kill(getpid(), SIGKILL);
    for (;;) pause();
  }
  errno = fault == IO || fault == READ ? EIO : fault == BUSY ? EAGAIN : ENOSPC;
  return 1;
}

static void record(enum call call, const char *name, uint64_t offset, const void *data, size_t length) {
  if (trace < 0 || is_index(name)) return;
  uint8_t kind = call, has_data = with_data || call == SAID || call == RENAME;
  uint16_t name_length = strlen(name);
  uint32_t data_length = length;
  char head[16 + PATH_MAX];
  char *to = head;
  memcpy(to, &kind, 1); to += 1;
  memcpy(to, &has_data, 1); to += 1;
  memcpy(to, &name_length, 2); to += 2;
  memcpy(to, &data_length, 4); to += 4;
  memcpy(to, &offset, 8); to += 8;
  memcpy(to, name, name_length); to += name_length;
  syscall(SYS_write, trace, head, to - head);
  if (has_data && length) syscall(SYS_write, trace, data, length);
}

static void order(const char *name, int fd) {
  if (!strcmp(name, "arm")) armed = 1;
  if (!strcmp(name, "disarm")) {
    char text[32];
    int length = snprintf(text, sizeof text, "%ld", count);
    armed = 0;
    syscall(SYS_write, fd, text, length);
  }
}

static int opened(int (*next)(const char *, int, ...), const char *path, int flags, mode_t mode) {
  const char *name = inside(path);
  struct stat status;
  if (!name) return next(path, flags, mode);
  pthread_mutex_lock(&lock);
  int is_new = (flags & O_CREAT) && stat(path, &status) != 0;
  int is_order = !strcmp(name, "arm") || !strcmp(name, "disarm");
  int fd = is_new && !is_order && strikes(CREATE, name) ? -1 : next(path, flags, mode);
  if (fd >= 0 && fd < FILES) {
    free(files[fd]);
    files[fd] = is_order ? NULL : strdup(name);
    if (is_new && !is_order) record(CREATE, name, 0, NULL, 0);
    if ((flags & O_TRUNC) && !is_new && !is_order) record(CUT, name, 0, NULL, 0);
    if (is_order) order(name, fd);
  }
  pthread_mutex_unlock(&lock);
  return fd;
}

#define OPEN(name) \
  int name(const char *path, int flags, ...) { \
    NEXT(name); \
    va_list rest; va_start(rest, flags); \
    mode_t mode = flags & O_CREAT ? va_arg(rest, mode_t) : 0; \
    va_end(rest); \
    return opened(next, path, flags, mode); \
  }
OPEN(open)
OPEN(open64)

int close(int fd) {
  NEXT(close);
  if (fd >= 0 && fd < FILES && files[fd]) {
    pthread_mutex_lock(&lock);
    free(files[fd]);
    files[fd] = NULL;
    pthread_mutex_unlock(&lock);
  }
  return next(fd);
}

/* A disk that fills up takes a part of the write that meets its end. */
static ssize_t written(int fd, const void *data, size_t length, off_t offset) {
  const char *name = name_of(fd);
  ssize_t result = -1;
  pthread_mutex_lock(&lock);
  if (!strikes(WRITE, name)) result = syscall(SYS_pwrite64, fd, data, length, offset);
  else if (fault == SHORT && count == at && length > 1) result = syscall(SYS_pwrite64, fd, data, length / 2, offset);
  if (result > 0) record(WRITE, name, offset, data, result);
  pthread_mutex_unlock(&lock);
  return result;
}

ssize_t pwrite(int fd, const void *data, size_t length, off_t offset) {
  NEXT(pwrite);
  return name_of(fd) ? written(fd, data, length, offset) : next(fd, data, length, offset);
}

ssize_t pwrite64(int fd, const void *data, size_t length, off64_t offset) {
  NEXT(pwrite64);
  return name_of(fd) ? written(fd, data, length, offset) : next(fd, data, length, offset);
}

ssize_t write(int fd, const void *data, size_t length) {
  NEXT(write);
  set_up();
  if (fd == 1 && trace >= 0) {
    pthread_mutex_lock(&lock);
    record(SAID, "", 0, data, length);
    pthread_mutex_unlock(&lock);
  }
  if (!name_of(fd)) return next(fd, data, length);
  off_t offset = lseek(fd, 0, SEEK_CUR);
  ssize_t result = written(fd, data, length, offset);
  if (result > 0) lseek(fd, offset + result, SEEK_SET);
  return result;
}

#define SYNCING(function) \
  int function(int fd) { \
    NEXT(function); \
    const char *name = name_of(fd); \
    if (!name) return next(fd); \
    enum call call = strcmp(name, ".") ? SYNC : SYNC_FOLDER; \
    pthread_mutex_lock(&lock); \
    int result = strikes(call, name) ? -1 : next(fd); \
    if (!result) record(call, name, 0, NULL, 0); \
    pthread_mutex_unlock(&lock); \
    return result; \
  }
SYNCING(fsync)
SYNCING(fdatasync)

#define CUTTING(function, offset_type) \
  int function(int fd, offset_type length) { \
    NEXT(function); \
    const char *name = name_of(fd); \
    if (!name) return next(fd, length); \
    pthread_mutex_lock(&lock); \
    int result = strikes(CUT, name) ? -1 : next(fd, length); \
    if (!result) record(CUT, name, length, NULL, 0); \
    pthread_mutex_unlock(&lock); \
    return result; \
  }
CUTTING(ftruncate, off_t)
CUTTING(ftruncate64, off64_t)

int unlink(const char *path) {
  NEXT(unlink);
  const char *name = inside(path);
  if (!name) return next(path);
  pthread_mutex_lock(&lock);
  int result = strikes(UNLINK, name) ? -1 : next(path);
  if (!result) record(UNLINK, name, 0, NULL, 0);
  pthread_mutex_unlock(&lock);
  return result;
}

int rename(const char *from, const char *to) {
  NEXT(rename);
  const char *name = inside(from), *target = inside(to);
  if (!name || !target) return next(from, to);
  pthread_mutex_lock(&lock);
  int result = strikes(RENAME, name) ? -1 : next(from, to);
  if (!result) record(RENAME, name, 0, target, strlen(target));
  pthread_mutex_unlock(&lock);
  return result;
}

#define READING_(function, offset_type) \
  ssize_t function(int fd, void *to, size_t length, offset_type offset) { \
    NEXT(function); \
    const char *name = name_of(fd); \
    return name && strikes(READING, name) ? -1 : next(fd, to, length, offset); \
  }
READING_(pread, off_t)
READING_(pread64, off64_t)

ssize_t read(int fd, void *to, size_t length) {
  NEXT(read);
  const char *name = name_of(fd);
  return name && strikes(READING, name) ? -1 : next(fd, to, length);
}

#define CONTROL(function) \
  int function(int fd, int command, ...) { \
    NEXT(function); \
    va_list rest; va_start(rest, command); \
    void *argument = va_arg(rest, void *); \
    va_end(rest); \
    const char *name = name_of(fd); \
    int locks = command == F_SETLK && name && ((struct flock *)argument)->l_type == F_WRLCK; \
    return locks && strikes(LOCKING, name) ? -1 : next(fd, command, argument); \
  }
CONTROL(fcntl)
CONTROL(fcntl64)
