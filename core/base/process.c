/* Running other programs: the only file that starts processes. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <signal.h>
#include <spawn.h>
#include <string.h>
#ifdef __linux__
#include <sys/prctl.h>
#endif
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "interrupt.h"
#include "status.h"

extern char **environ;

/* The program leads a group of its own, so that it ends with all that it starts; Ctrl-C reaches it by us.
 * It starts with the signals as a shell would leave them. */
static int start(const char *const *arguments, const char *output, int open_flag, pid_t *child) {
  posix_spawn_file_actions_t files;
  posix_spawnattr_t how;
  sigset_t none, standard;
  int error = posix_spawn_file_actions_init(&files);
  if (error) return error;
  if ((error = posix_spawnattr_init(&how))) {
    posix_spawn_file_actions_destroy(&files);
    return error;
  }
  sigemptyset(&none);
  sigemptyset(&standard);
  sigaddset(&standard, SIGINT);
  sigaddset(&standard, SIGPIPE);
  sigaddset(&standard, SIGTERM);
  sigaddset(&standard, SIGUSR1);
  posix_spawnattr_setsigmask(&how, &none);
  posix_spawnattr_setsigdefault(&how, &standard);
  posix_spawnattr_setpgroup(&how, 0);
  posix_spawnattr_setflags(&how, POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
  error = posix_spawn_file_actions_addopen(&files, 0, "/dev/null", O_RDONLY, 0);
  if (!error)
    error = posix_spawn_file_actions_addopen(&files, 1, output, O_WRONLY | O_CREAT | open_flag, 0644);
  if (!error) error = posix_spawn_file_actions_adddup2(&files, 1, 2);
  if (!error) {
    /* posix_spawnp does not change the arguments */
    char *const *list = (char *const *)(uintptr_t)arguments;
    error = posix_spawnp(child, arguments[0], &files, &how, list, environ);
  }
  posix_spawnattr_destroy(&how);
  posix_spawn_file_actions_destroy(&files);
  return error;
}

static mg_status cannot_start(const char *const *arguments, int error) {
  return fail(MG_BAD_FILE, "process: %.200s cannot be started: %s", arguments[0], strerror(error));
}

static int code_of(int state) {
  return WIFEXITED(state) ? WEXITSTATUS(state) : 128 + WTERMSIG(state);
}

static void pause_briefly(int round) {
  long step = round < 20 ? 200000 : 5000000; /* 0.2 ms at first, then 5 ms */
  nanosleep(&(struct timespec){0, step}, NULL);
}

mg_status mg_process_run(const char *const *arguments, const char *output, int *code) {
  pid_t child = 0;
  int error = start(arguments, output, O_TRUNC, &child), state = 0;
  if (error) return cannot_start(arguments, error);
  for (int round = 0;; round++) {
    pid_t ended = waitpid(child, &state, WNOHANG);
    if (ended == child) break;
    if (ended < 0 && errno != EINTR)
      return fail(MG_BAD_FILE, "process: %.200s is lost: %s", arguments[0], strerror(errno));
    mg_status status = interrupt_tick();
    if (status != MG_OK) {
      kill(-child, SIGKILL);
      while (waitpid(child, &state, 0) < 0 && errno == EINTR) {
      }
      return status;
    }
    pause_briefly(round);
  }
  *code = code_of(state);
  return MG_OK;
}

mg_status mg_process_start(const char *const *arguments, const char *output, int64_t *process) {
  pid_t child = 0;
  int error = start(arguments, output, O_APPEND, &child);
  if (error) return cannot_start(arguments, error);
  *process = child;
  return MG_OK;
}

/* Whether a number is that of a process started here that has not been polled as ended. */
static int is_own(int64_t process) {
  siginfo_t info;
  return process > 1 && process <= INT_MAX &&
         waitid(P_PID, (id_t)process, &info, WEXITED | WNOHANG | WNOWAIT) == 0;
}

mg_status mg_process_poll(int64_t process, int *has_ended, int *code) {
  int state = 0;
  if (!is_own(process))
    return fail(MG_BAD_ARGUMENT, "process: %" PRId64 " is none that was started here, or has ended", process);
  *has_ended = waitpid((pid_t)process, &state, WNOHANG) == (pid_t)process;
  *code = *has_ended ? code_of(state) : 0;
  return MG_OK;
}

void mg_process_signal(int64_t process, int signal) {
  if (is_own(process)) kill((pid_t)-process, signal); /* its group */
}

void mg_process_follow(void) {
#ifdef __linux__
  prctl(PR_SET_PDEATHSIG, SIGKILL);
#endif
}
