/* What the files of the binding share: the per-state record, handles, arguments, errors.
 *
 * A tensor handle is a userdata made *before* the tensor it will hold, so that no error between the
 * two can leak. Handles stand in a list in the order of their making, for scopes. */
#ifndef BINDING_H
#define BINDING_H
#include "lua_compat.h"
#include "mapgrad.h"

/* One tensor as Lua sees it. tensor is NULL once freed. */
typedef struct handle {
  const void *brand; /* the same in all handles of this module, and in no other userdata */
  mg_tensor *tensor;
  struct handle *older, *newer; /* in the list of the state */
  double sequence;              /* number of its making */
  int listed, spared;           /* in the list; not to be freed by the scope that ends now */
} handle;

/* What belongs to one Lua state; the first upvalue of every function of the module. */
typedef struct state {
  lua_State *main;
  handle *newest;
  double sequence;
  int64_t live, debt, base, collections; /* bytes of tensors; see pressure() in handle.c */
  int metatable;                         /* of handles: its place in the registry */
  lua_Hook hook;                         /* as found when the running call began */
  int hook_mask, hook_count;
  char root[256]; /* folder of the Lua modules: errors are placed outside of it */
} state;

state *state_of(lua_State *L);

/* Notes that a call starts that may be interrupted. */
void call_begin(lua_State *L, state *S);

/* Raises a Lua error for the core's last failure, placed at the script's line. */
int raise_failure(lua_State *L);
/* The same unless the status is MG_OK; returns 0. */
int check_status(lua_State *L, mg_status status);
/* Raises an error with a message of the binding's own; code is "MG-ARGUMENT" and the like. */
int raise_message(lua_State *L, const char *code, const char *format, ...);

/* Pushes an empty handle. */
handle *handle_new(lua_State *L, state *S);
/* After h->tensor = ...: 1 if memory ran out the first time and was collected, so try again.
 * attempts starts at 0. */
int handle_again(lua_State *L, handle *h, int *attempts);
/* Counts the new tensor; raises if there is none. Returns 1 (the handle is on the stack). */
int handle_done(lua_State *L, state *S, handle *h);
/* Pushes a new tensor, unset, of the shape that the list at index holds; raises if there is none. */
handle *handle_of_shape(lua_State *L, int index);
/* Frees the tensor of a handle; harmless when done. */
void handle_free(state *S, handle *h);

/* The tensor at a stack index; raises if it is none or was freed. */
mg_tensor *check_tensor(lua_State *L, int index);
/* The same, NULL for nil or none. */
mg_tensor *optional_tensor(lua_State *L, int index);
/* A number, a text, a table; raises otherwise. */
double check_number(lua_State *L, int index);
const char *check_text(lua_State *L, int index); /* without zero bytes */
const char *check_bytes(lua_State *L, int index, size_t *length);
void check_list(lua_State *L, int index);
/* A number without fraction; raises otherwise. */
int64_t check_integer(lua_State *L, int index);
int check_int(lua_State *L, int index);
/* Reads the list of `count` numbers at index; raises otherwise. */
void check_ints(lua_State *L, int index, int count, int *values);
/* Reads the list at index into shape[MG_MAX_AXES], returns its length. */
int check_shape(lua_State *L, int index, int64_t *shape);
enum { MOST_SETTINGS = 32 };
/* Reads the table at index {name = number, text or list} into settings; numbers live in values, both
 * [MOST_SETTINGS], lists on the stack until the caller returns. Returns how many. */
int check_settings(lua_State *L, int index, mg_setting *settings, double *values);
/* Three arguments from index on: seed, name of the stream, position. */
mg_draw check_draw(lua_State *L, int index);

/* For functions about files: pushes nil and the message of the core's last failure if that was a
 * file's fault, else raises; returns 2. */
int file_failure(lua_State *L);
/* The same, and true for MG_OK. */
int file_done(lua_State *L, mg_status status);

/* Owns an array of the core while Lua may raise errors. */
typedef struct array_box {
  mg_array *array;
} array_box;

/* Pushes an empty box. */
array_box *array_box_new(lua_State *L);
/* Pushes the bytes of the box's array as a text and drops the array; returns 1. */
int array_box_push_text(lua_State *L, array_box *box);

/* Functions that the files add to the module's table, which is at the top of the stack. */
void open_functions(lua_State *L, const luaL_Reg *functions);
/* The metatable of a type of userdata, hidden from scripts; release, its __gc, may be NULL. */
void open_type(lua_State *L, const char *name, lua_CFunction release);
/* Adds a table `field` of name -> number, for an enum whose names stand in its order. */
void open_names(lua_State *L, const char *field, const char *const *names, int count);
void open_handles(lua_State *L, state *S);
void open_ops(lua_State *L);
void open_index_ops(lua_State *L);
void open_image_ops(lua_State *L);
void open_losses(lua_State *L);
void open_updates(lua_State *L);
void open_reduce_ops(lua_State *L);
void open_sort_ops(lua_State *L);
void open_random(lua_State *L);
void open_solvers(lua_State *L);
void open_estimators(lua_State *L);
void open_laws(lua_State *L);
void open_data(lua_State *L);
void open_json(lua_State *L);
void open_stores(lua_State *L);
void open_system(lua_State *L);
void open_processes(lua_State *L);
void open_line_edit(lua_State *L);

#endif
