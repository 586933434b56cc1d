/* Files that processes agree by: made by one of them only, on the disk when they say so. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "base/status.h"
#include "mapgrad.h"

static mg_status bad(const char *path, const char *what) {
  return fail(MG_BAD_FILE, "%.500s: %s: %s", path, what, strerror(errno));
}

mg_status mg_file_claim(const char *path, const char *text, int *is_made) {
  int file = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
  *is_made = file >= 0;
  if (file < 0) return errno == EEXIST ? MG_OK : bad(path, "cannot be made");
  size_t count = strlen(text);
  ssize_t written = write(file, text, count);
  if (close(file) == 0 && written == (ssize_t)count) return MG_OK;
  unlink(path);
  return bad(path, "cannot be written");
}

mg_status mg_file_sync(const char *path) {
  int file = open(path, O_RDONLY | O_CLOEXEC);
  if (file < 0) return bad(path, "cannot be opened");
  int failed = fsync(file);
  close(file);
  return failed ? bad(path, "cannot be brought to the disk") : MG_OK;
}
