/* Other processes: programs that are started, files that processes agree by, requests to stop. */
#include <errno.h>
#include <limits.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "binding.h"

enum { MOST_ARGUMENTS = 64 };

/* The list of texts at index 1, which keeps them, ended by NULL. */
static void check_arguments(lua_State *L, const char *arguments[MOST_ARGUMENTS + 1]) {
  check_list(L, 1);
  int count = (int)lua_rawlen(L, 1);
  if (count < 1 || count > MOST_ARGUMENTS)
    raise_message(L, "MG-ARGUMENT", "process: %d arguments, expected 1 to %d", count, MOST_ARGUMENTS);
  for (int i = 0; i < count; i++) {
    lua_rawgeti(L, 1, i + 1);
    arguments[i] = check_text(L, -1);
    lua_pop(L, 1);
  }
  arguments[count] = NULL;
}

/* process_run(list of arguments, output path) -> code, or nil, message */
static int process_run(lua_State *L) {
  const char *arguments[MOST_ARGUMENTS + 1], *output = check_text(L, 2);
  int code = 0;
  check_arguments(L, arguments);
  call_begin(L, state_of(L));
  mg_status status = mg_process_run(arguments, output, &code);
  if (status != MG_OK) return file_failure(L);
  lua_pushinteger(L, code);
  return 1;
}

/* process_start(list of arguments, output path) -> number of the process, or nil, message */
static int process_start(lua_State *L) {
  const char *arguments[MOST_ARGUMENTS + 1], *output = check_text(L, 2);
  int64_t process = 0;
  check_arguments(L, arguments);
  if (mg_process_start(arguments, output, &process) != MG_OK) return file_failure(L);
  lua_pushinteger(L, (lua_Integer)process);
  return 1;
}

/* process_poll(number) -> its code once it has ended, else nil */
static int process_poll(lua_State *L) {
  int has_ended = 0, code = 0;
  if (mg_process_poll(check_integer(L, 1), &has_ended, &code) != MG_OK) return raise_failure(L);
  if (!has_ended) return 0;
  lua_pushinteger(L, code);
  return 1;
}

/* process_signal(number, "TERM" or "KILL") */
static int process_signal(lua_State *L) {
  mg_process_signal(check_integer(L, 1), strcmp(check_text(L, 2), "KILL") == 0 ? SIGKILL : SIGTERM);
  return 0;
}

static int process_follow(lua_State *L) {
  (void)L;
  mg_process_follow();
  return 0;
}

/* processors() -> number of those that this process may use */
static int processors(lua_State *L) {
  cpu_set_t set;
  int count = sched_getaffinity(0, sizeof set, &set) == 0 ? CPU_COUNT(&set) : 0;
  lua_pushinteger(L, count > 0 ? count : 1);
  return 1;
}

/* When a process began, in ticks since the machine did, as Linux tells it: with its number, the name of that process
   and of no later one. 0 where it is not told, -1 if the process has ended and only waits for its parent to notice. */
static long long start_of(pid_t number) {
  enum { STATE = 3, START = 22 }; /* places in the line, see proc(5) */
  char path[64], text[1024];
  snprintf(path, sizeof path, "/proc/%d/stat", (int)number);
  FILE *file = fopen(path, "r");
  if (!file) return 0;
  size_t count = fread(text, 1, sizeof text - 1, file);
  fclose(file);
  text[count] = '\0';
  const char *at = strrchr(text, ')'); /* of the program's name, in place 2 */
  if (at && at[1] == ' ' && at[2] == 'Z') return -1;
  for (int place = STATE - 1; at && place < START; place++) at = strchr(at + 1, ' ');
  return at ? atoll(at + 1) : 0;
}

/* process_self() -> number of this process, name of the machine, when the process began */
static int process_self(lua_State *L) {
  char name[256] = "";
  gethostname(name, sizeof name - 1);
  lua_pushinteger(L, (lua_Integer)getpid());
  lua_pushstring(L, name);
  lua_pushinteger(L, (lua_Integer)start_of(getpid()));
  return 3;
}

/* process_began(number) -> when a process that is alive began; or nil */
static int process_began(lua_State *L) {
  int64_t given = check_integer(L, 1);
  pid_t number = given > 0 && given <= INT_MAX ? (pid_t)given : 0;
  int exists = number > 0 && (kill(number, 0) == 0 || errno == EPERM);
  long long start = exists ? start_of(number) : -1;
  if (start < 0) return 0;
  lua_pushinteger(L, (lua_Integer)start);
  return 1;
}

/* pause(seconds): returns early when a signal arrives */
static int pause_for(lua_State *L) {
  double seconds = check_number(L, 1);
  if (!(seconds >= 0 && seconds <= 60))
    return raise_message(L, "MG-ARGUMENT", "pause: expected 0 to 60 seconds, got %g", seconds);
  struct timespec t = {(time_t)seconds, (long)(1e9 * (seconds - (double)(time_t)seconds))};
  nanosleep(&t, NULL);
  return 0;
}

/* text_hash(text) -> 16 hexadecimal digits */
static int text_hash(lua_State *L) {
  uint64_t hash = mg_stream(check_text(L, 1));
  char digits[24];
  snprintf(digits, sizeof digits, "%016llx", (unsigned long long)hash);
  lua_pushstring(L, digits);
  return 1;
}

/* file_claim(path, text) -> whether this process made the file, or nil, message */
static int file_claim(lua_State *L) {
  int is_made = 0;
  if (mg_file_claim(check_text(L, 1), check_text(L, 2), &is_made) != MG_OK) return file_failure(L);
  lua_pushboolean(L, is_made);
  return 1;
}

/* file_sync(path) -> true, or nil, message */
static int file_sync(lua_State *L) { return file_done(L, mg_file_sync(check_text(L, 1))); }

/* SIGTERM and SIGUSR1 ask a run to save itself and end; one that comes a second after the first ends the process at
   once. Earlier ones say the same again: a batch system may signal a whole job, and its script hand it on. */
static volatile sig_atomic_t stop_is_asked;
static struct timespec stop_asked_at;

static void on_stop(int number) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  if (!stop_is_asked) {
    stop_asked_at = now;
    stop_is_asked = 1;
  } else if ((double)(now.tv_sec - stop_asked_at.tv_sec) + 1e-9 * (double)(now.tv_nsec - stop_asked_at.tv_nsec) >= 1) {
    signal(number, SIG_DFL);
    raise(number);
  }
}

static int stop_signals(lua_State *L) {
  (void)L;
  struct sigaction action;
  memset(&action, 0, sizeof action);
  action.sa_handler = on_stop;
  sigemptyset(&action.sa_mask);
  action.sa_flags = SA_RESTART;
  sigaction(SIGTERM, &action, NULL);
  sigaction(SIGUSR1, &action, NULL);
  return 0;
}

/* stop_asked() -> whether such a signal came */
static int stop_asked(lua_State *L) {
  lua_pushboolean(L, stop_is_asked);
  return 1;
}

void open_processes(lua_State *L) {
  static const luaL_Reg functions[] = {{"process_run", process_run},
                                       {"process_start", process_start},
                                       {"process_poll", process_poll},
                                       {"process_signal", process_signal},
                                       {"process_follow", process_follow},
                                       {"process_self", process_self},
                                       {"process_began", process_began},
                                       {"processors", processors},
                                       {"pause", pause_for},
                                       {"text_hash", text_hash},
                                       {"file_claim", file_claim},
                                       {"file_sync", file_sync},
                                       {"stop_signals", stop_signals},
                                       {"stop_asked", stop_asked},
                                       {NULL, NULL}};
  open_functions(L, functions);
}
