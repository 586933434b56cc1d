/* Open MPI for mapgrad.mpi: a shared object of its own, loaded when mpirun started this process. Tensors come as
 * addresses (core.address), counts and the bytes of an entry, so one object serves both reals. Called from the
 * thread of Lua alone (MPI_THREAD_FUNNELED). MPI's own errors end all ranks, with MPI's message. */
#include <limits.h>
#include <mpi.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lua_compat.h"

enum { MOST_AT_ONCE = 1 << 28 }; /* entries of one MPI call, whose counts are ints */

static int rank, size, is_started;
static pid_t process;

/* The arguments are checked by the Lua side; what is wrong here is a bug there. */
static int64_t integer(lua_State *L, int index) { return (int64_t)luaL_checknumber(L, index); }

static char *address(lua_State *L, int index) {
  luaL_checktype(L, index, LUA_TLIGHTUSERDATA);
  return lua_touserdata(L, index);
}

static MPI_Datatype type_of(lua_State *L, int index) {
  return integer(L, index) == 8 ? MPI_DOUBLE : MPI_FLOAT;
}

/* A process that fails ends all ranks; one that ends well waits for them. */
static void end_process(int status, void *unused) {
  (void)unused;
  int is_over = 0;
  if (getpid() != process || MPI_Finalized(&is_over) != MPI_SUCCESS || is_over) return;
  if (status == 0) {
    MPI_Finalize();
    return;
  }
  fflush(stdout);
  fprintf(stderr, "mapgrad.mpi: rank %d of %d failed with exit code %d; all ranks end\n", rank, size, status);
  fflush(stderr);
  MPI_Abort(MPI_COMM_WORLD, status);
}

/* The processors that the ranks of this node may use together, over the ranks; at least 1. */
static int fair_threads(void) {
  cpu_set_t own, all;
  int ranks, share;
  MPI_Comm node;
  if (sched_getaffinity(0, sizeof own, &own) != 0) return 1;
  MPI_Comm_split_type(MPI_COMM_WORLD, MPI_COMM_TYPE_SHARED, rank, MPI_INFO_NULL, &node);
  MPI_Comm_size(node, &ranks);
  MPI_Allreduce(&own, &all, (int)sizeof own, MPI_BYTE, MPI_BOR, node);
  MPI_Comm_free(&node);
  share = CPU_COUNT(&all) / ranks;
  if (share > CPU_COUNT(&own)) share = CPU_COUNT(&own);
  return share < 1 ? 1 : share;
}

/* start() -> rank from 0, ranks, threads for this rank, processors it may use; or nil, message */
static int start(lua_State *L) {
  int was_started = 0, level = 0;
  cpu_set_t own;
  MPI_Initialized(&was_started);
  if (!is_started) {
    if (!was_started && MPI_Init_thread(NULL, NULL, MPI_THREAD_FUNNELED, &level) != MPI_SUCCESS) {
      lua_pushnil(L);
      lua_pushliteral(L, "MPI_Init fails");
      return 2;
    }
    MPI_Comm_rank(MPI_COMM_WORLD, &rank);
    MPI_Comm_size(MPI_COMM_WORLD, &size);
    process = getpid();
    if (!was_started) on_exit(end_process, NULL);
    is_started = 1;
  }
  lua_pushinteger(L, rank);
  lua_pushinteger(L, size);
  lua_pushinteger(L, fair_threads());
  lua_pushinteger(L, sched_getaffinity(0, sizeof own, &own) == 0 ? CPU_COUNT(&own) : 1);
  return 4;
}

/* sum(address, count, bytes of an entry): the entries become their sums over the ranks */
static int sum(lua_State *L) {
  char *data = address(L, 1);
  int64_t count = integer(L, 2), bytes = integer(L, 3);
  for (int64_t first = 0; first < count; first += MOST_AT_ONCE) {
    int64_t left = count - first;
    MPI_Allreduce(MPI_IN_PLACE, data + first * bytes, (int)(left < MOST_AT_ONCE ? left : MOST_AT_ONCE),
                  type_of(L, 3), MPI_SUM, MPI_COMM_WORLD);
  }
  return 0;
}

/* sum_number(value) -> its sum over the ranks */
static int sum_number(lua_State *L) {
  double value = luaL_checknumber(L, 1);
  MPI_Allreduce(MPI_IN_PLACE, &value, 1, MPI_DOUBLE, MPI_SUM, MPI_COMM_WORLD);
  lua_pushnumber(L, value);
  return 1;
}

/* broadcast(address, count, bytes of an entry): the entries become those of rank 0 */
static int broadcast(lua_State *L) {
  char *data = address(L, 1);
  int64_t count = integer(L, 2), bytes = integer(L, 3);
  for (int64_t first = 0; first < count; first += MOST_AT_ONCE) {
    int64_t left = count - first;
    MPI_Bcast(data + first * bytes, (int)(left < MOST_AT_ONCE ? left : MOST_AT_ONCE), type_of(L, 3), 0,
              MPI_COMM_WORLD);
  }
  return 0;
}

/* broadcast_text(text) -> the text of rank 0 */
static int broadcast_text(lua_State *L) {
  size_t length;
  const char *own = luaL_checklstring(L, 1, &length);
  unsigned long long bytes = length;
  MPI_Bcast(&bytes, 1, MPI_UNSIGNED_LONG_LONG, 0, MPI_COMM_WORLD);
  if (bytes >= INT_MAX) return luaL_error(L, "mpi: a text of %f bytes is too long", (double)bytes);
  char *text = compat_new_userdata(L, (size_t)bytes + 1);
  if (rank == 0) memcpy(text, own, (size_t)bytes);
  MPI_Bcast(text, (int)bytes, MPI_CHAR, 0, MPI_COMM_WORLD);
  lua_pushlstring(L, text, (size_t)bytes);
  return 1;
}

/* gather(address, entries of a row, bytes of an entry, list): the rows of a matrix, of which rank r has filled
 * list[r + 1] after those of the ranks before it, become the same on all ranks */
static int gather(lua_State *L) {
  char *data = address(L, 1);
  int64_t entries = integer(L, 2);
  if (entries > INT_MAX) return luaL_error(L, "mpi: rows of %f entries are too long", (double)entries);
  int *counts = compat_new_userdata(L, 2 * (size_t)size * sizeof *counts), *starts = counts + size, rows = 0;
  for (int r = 0; r < size; r++) {
    lua_rawgeti(L, 4, r + 1);
    counts[r] = (int)integer(L, -1);
    starts[r] = rows;
    rows += counts[r];
    lua_pop(L, 1);
  }
  MPI_Datatype row;
  MPI_Type_contiguous((int)entries, type_of(L, 3), &row);
  MPI_Type_commit(&row);
  MPI_Allgatherv(MPI_IN_PLACE, 0, row, data, counts, starts, row, MPI_COMM_WORLD);
  MPI_Type_free(&row);
  return 0;
}

static int barrier(lua_State *L) {
  (void)L;
  MPI_Barrier(MPI_COMM_WORLD);
  return 0;
}

/* finish(): waits for all ranks; from then on each may end as it likes, and the module is of no more use */
static int finish(lua_State *L) {
  (void)L;
  MPI_Finalize();
  return 0;
}

/* stop(message, code): writes the message to stderr and ends all ranks */
static int stop(lua_State *L) {
  fflush(stdout);
  fprintf(stderr, "%s\n", luaL_checkstring(L, 1));
  fflush(stderr);
  MPI_Abort(MPI_COMM_WORLD, (int)integer(L, 2));
  return 0;
}

/* version() -> such as "Open MPI v4.1.4" */
static int version(lua_State *L) {
  char text[MPI_MAX_LIBRARY_VERSION_STRING];
  int length = 0;
  MPI_Get_library_version(text, &length);
  lua_pushlstring(L, text, strcspn(text, ",\n"));
  return 1;
}

int luaopen_mapgrad_mpi_module(lua_State *L);
int luaopen_mapgrad_mpi_module(lua_State *L) {
  static const luaL_Reg functions[] = {{"start", start},
                                       {"sum", sum},
                                       {"sum_number", sum_number},
                                       {"broadcast", broadcast},
                                       {"broadcast_text", broadcast_text},
                                       {"gather", gather},
                                       {"barrier", barrier},
                                       {"finish", finish},
                                       {"stop", stop},
                                       {"version", version},
                                       {NULL, NULL}};
  lua_newtable(L);
  luaL_setfuncs(L, functions, 0);
  return 1;
}
