/* The process: version, threads, clock, terminal, Ctrl-C in the REPL and the runner. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#include "binding.h"

/* info() -> {version, build, real_bytes} */
static int info(lua_State *L) {
  lua_createtable(L, 0, 3);
  lua_pushstring(L, mg_version());
  lua_setfield(L, -2, "version");
  lua_pushstring(L, mg_build());
  lua_setfield(L, -2, "build");
  lua_pushinteger(L, mg_real_bytes());
  lua_setfield(L, -2, "real_bytes");
  return 1;
}

/* cbc_version() -> version of COIN-OR CBC, nil without it */
static int cbc_version(lua_State *L) {
  lua_pushstring(L, mg_cbc_version());
  return 1;
}

static int threads(lua_State *L) {
  lua_pushinteger(L, (lua_Integer)mg_threads());
  return 1;
}

static int threads_set(lua_State *L) {
  return mg_threads_set(check_integer(L, 1)) == MG_OK ? 0 : raise_failure(L);
}

/* time_limit(seconds): computations stop then; 0 lifts it */
static int time_limit(lua_State *L) {
  mg_time_limit_set(check_number(L, 1));
  return 0;
}

/* clock() -> seconds on a clock that never goes back */
static int monotonic(lua_State *L) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  lua_pushnumber(L, (lua_Number)t.tv_sec + 1e-9 * (lua_Number)t.tv_nsec);
  return 1;
}

/* processor_time() -> seconds of processor time of this process, all threads */
static int processor_time(lua_State *L) {
  struct timespec t;
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
  lua_pushnumber(L, (lua_Number)t.tv_sec + 1e-9 * (lua_Number)t.tv_nsec);
  return 1;
}

/* is_terminal(descriptor) */
static int is_terminal(lua_State *L) {
  lua_pushboolean(L, isatty(check_int(L, 1)));
  return 1;
}

/* output_failed() -> whether any of what was written to stdout so far is lost, as on a full disk */
static int output_failed(lua_State *L) {
  lua_pushboolean(L, fflush(stdout) != 0 || ferror(stdout));
  return 1;
}

/* terminal_width() -> columns, 80 if unknown */
static int terminal_width(lua_State *L) {
  struct winsize w;
  int columns = ioctl(STDERR_FILENO, TIOCGWINSZ, &w) == 0 ? w.ws_col : 0;
  const char *text = getenv("COLUMNS");
  if (columns <= 0 && text) columns = atoi(text);
  lua_pushinteger(L, columns > 0 ? columns : 80);
  return 1;
}

/* While a line of the REPL runs, Ctrl-C raises the core's flag (C code stops) and sets a hook on the
 * main state (Lua code stops); a second one ends the process. */
static lua_State *volatile interrupted_state;
static struct sigaction former;

static void raise_interrupt(lua_State *L, lua_Debug *ar) {
  (void)ar;
  lua_sethook(L, NULL, 0, 0);
  mg_interrupt_set(0);
  luaL_error(L, "interrupted");
}

static void on_interrupt(int number) {
  mg_interrupt_set(1);
  if (interrupted_state)
    lua_sethook(interrupted_state, raise_interrupt, LUA_MASKCALL | LUA_MASKRET | LUA_MASKCOUNT, 1);
  signal(number, SIG_DFL);
}

static int repl_interrupt_begin(lua_State *L) {
  struct sigaction action;
  memset(&action, 0, sizeof action);
  action.sa_handler = on_interrupt;
  sigemptyset(&action.sa_mask);
  interrupted_state = state_of(L)->main;
  mg_interrupt_set(0);
  sigaction(SIGINT, &action, &former);
  return 0;
}

static int repl_interrupt_end(lua_State *L) {
  sigaction(SIGINT, &former, NULL);
  interrupted_state = NULL;
  mg_interrupt_set(0);
  lua_sethook(state_of(L)->main, NULL, 0, 0);
  return 0;
}

void open_system(lua_State *L) {
  static const luaL_Reg functions[] = {{"info", info},
                                       {"cbc_version", cbc_version},
                                       {"threads", threads},
                                       {"threads_set", threads_set},
                                       {"time_limit", time_limit},
                                       {"clock", monotonic},
                                       {"processor_time", processor_time},
                                       {"is_terminal", is_terminal},
                                       {"output_failed", output_failed},
                                       {"terminal_width", terminal_width},
                                       {"repl_interrupt_begin", repl_interrupt_begin},
                                       {"repl_interrupt_end", repl_interrupt_end},
                                       {NULL, NULL}};
  open_functions(L, functions);
}
