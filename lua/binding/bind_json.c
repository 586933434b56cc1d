/* JSON values as Lua tables and back. Objects are tables with text keys, lists tables 1..n; null is
 * a value of its own, and an empty list has a metatable that tells it from an empty object. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "binding.h"

static const char *const VALUE = "mapgrad.json", *const NONE = "mapgrad.null",
                  *const LIST = "mapgrad.list";

/* The parser stops at 2048 levels; tables that hold themselves must end too. */
enum { MAX_DEPTH = 1000, PATH_BYTES = 160 };

/* Owns a value of the core while Lua may raise errors. */
typedef struct json_box {
  mg_json *value;
} json_box;

static void drop(json_box *box) {
  mg_json_free(box->value);
  box->value = NULL;
}

static int value_free(lua_State *L) {
  drop(luaL_checkudata(L, 1, VALUE));
  return 0;
}

static json_box *new_box(lua_State *L) {
  json_box *box = compat_new_userdata(L, sizeof *box);
  box->value = NULL;
  luaL_getmetatable(L, VALUE);
  lua_setmetatable(L, -2);
  return box;
}

static void push_none(lua_State *L) { lua_getfield(L, LUA_REGISTRYINDEX, "mapgrad.null.value"); }

static int has_metatable(lua_State *L, int index, const char *name) {
  if (!lua_getmetatable(L, index)) return 0;
  luaL_getmetatable(L, name);
  int same = lua_rawequal(L, -1, -2);
  lua_pop(L, 2);
  return same;
}

/* ---- to Lua */

/* Whole numbers become integers where Lua has them. */
static void push_number(lua_State *L, double value) {
  int is_whole = value == floor(value) && fabs(value) <= 0x1p53 && !(value == 0 && signbit(value));
  if (is_whole && (double)(lua_Integer)value == value) lua_pushinteger(L, (lua_Integer)value);
  else lua_pushnumber(L, value);
}

static void push_value(lua_State *L, const mg_json *v);

static void push_list(lua_State *L, const mg_json *v) {
  int64_t count = mg_json_count(v);
  lua_createtable(L, count < 1 << 20 ? (int)count : 1 << 20, 0);
  for (int64_t i = 0; i < count; i++) {
    push_value(L, mg_json_entry(v, i));
    lua_rawseti(L, -2, (int)(i + 1));
  }
  if (count > 0) return;
  luaL_getmetatable(L, LIST);
  lua_setmetatable(L, -2);
}

static void push_object(lua_State *L, const mg_json *v) {
  lua_newtable(L);
  for (const char *key = mg_json_next(v, NULL); key; key = mg_json_next(v, key)) {
    lua_pushstring(L, key);
    push_value(L, mg_json_field(v, key));
    lua_rawset(L, -3);
  }
}

static void push_value(lua_State *L, const mg_json *v) {
  luaL_checkstack(L, 6, "JSON nested too deeply");
  int64_t count = 0;
  const char *text = NULL;
  switch (mg_json_kind_of(v)) {
    case MG_JSON_NULL: push_none(L); break;
    case MG_JSON_FALSE: lua_pushboolean(L, 0); break;
    case MG_JSON_TRUE: lua_pushboolean(L, 1); break;
    case MG_JSON_NUMBER: push_number(L, mg_json_number(v)); break;
    case MG_JSON_TEXT:
      text = mg_json_text(v, &count);
      lua_pushlstring(L, text, (size_t)count);
      break;
    case MG_JSON_LIST: push_list(L, v); break;
    case MG_JSON_OBJECT: push_object(L, v); break;
  }
}

/* Pushes the box's value, which may be NULL after a failure, and drops it. */
static int finish(lua_State *L, json_box *box) {
  if (!box->value) return file_failure(L);
  push_value(L, box->value);
  drop(box); /* not left to the collector, which does not see its size */
  return 1;
}

/* json_decode(text) -> value, or nil, message */
static int json_decode(lua_State *L) {
  size_t length;
  const char *text = check_bytes(L, 1, &length);
  json_box *box = new_box(L);
  call_begin(L, state_of(L));
  box->value = mg_json_parse(text, (int64_t)length);
  return finish(L, box);
}

/* json_read(path, limit) -> value, or nil, message */
static int json_read(lua_State *L) {
  const char *path = check_text(L, 1);
  int64_t limit = check_integer(L, 2);
  json_box *box = new_box(L);
  call_begin(L, state_of(L));
  box->value = mg_json_read(path, limit);
  return finish(L, box);
}

/* ---- from Lua */

/* Where a value stands: below `up`, under a key or else an index. */
typedef struct place {
  const struct place *up;
  const char *key;
  int64_t index;
  int depth;
} place;

/* Writes "model.rate[3]" and returns its length; the front is lost if it is too long. */
static int show_place(const place *p, char out[PATH_BYTES]) {
  if (!p->up) return snprintf(out, PATH_BYTES, "the value");
  int at = p->up->up ? show_place(p->up, out) : 0;
  if (at > PATH_BYTES - 60) at = snprintf(out, PATH_BYTES, "...");
  const char *dot = at > 0 ? "." : "";
  if (p->key) return at + snprintf(out + at, (size_t)(PATH_BYTES - at), "%s%.40s", dot, p->key);
  return at + snprintf(out + at, (size_t)(PATH_BYTES - at), "[%lld]", (long long)p->index);
}

static int bad_value(lua_State *L, const place *p, const char *code, const char *got) {
  char path[PATH_BYTES];
  show_place(p, path);
  return raise_message(L, code, "json: %s is %s", path, got);
}

/* v, which is NULL if making it failed. */
static mg_json *made(lua_State *L, const place *p, mg_json *v) {
  if (v) return v;
  if (mg_last_status() != MG_BAD_ARGUMENT) raise_failure(L);
  bad_value(L, p, "MG-ARGUMENT", "a text that is not UTF-8");
  return NULL;
}

/* The length of the list at the top of the stack, or -1 if the table is none. */
static int64_t list_length(lua_State *L) {
  int64_t count = 0, length = (int64_t)lua_rawlen(L, -1);
  lua_pushnil(L);
  while (lua_next(L, -2)) {
    lua_pop(L, 1);
    lua_Number key = lua_type(L, -1) == LUA_TNUMBER ? lua_tonumber(L, -1) : 0;
    if (key < 1 || key > (lua_Number)length || key != floor(key)) {
      lua_pop(L, 1);
      return -1;
    }
    count++;
  }
  return count == length ? length : -1;
}

static mg_json *new_value(lua_State *L, const place *p);
static void fill_table(lua_State *L, const place *p, mg_json *into);

/* Makes the value at the top of the stack a part of `into`, which the box owns already: an error
 * raised below leaks nothing. */
static void add_value(lua_State *L, const place *p, mg_json *into) {
  mg_json *v = new_value(L, p);
  mg_status status = p->key ? mg_json_set(into, p->key, v) : mg_json_append(into, v);
  if (status == MG_BAD_ARGUMENT) bad_value(L, p, "MG-ARGUMENT", "under a key that is not UTF-8");
  check_status(L, status);
  if (lua_istable(L, -1)) fill_table(L, p, v);
}

static void fill_list(lua_State *L, const place *p, mg_json *into) {
  int64_t count = (int64_t)lua_rawlen(L, -1);
  for (int64_t i = 1; i <= count; i++) {
    place below = {p, NULL, i, p->depth + 1};
    lua_rawgeti(L, -1, (int)i);
    add_value(L, &below, into);
    lua_pop(L, 1);
  }
}

static void fill_object(lua_State *L, const place *p, mg_json *into) {
  lua_pushnil(L);
  while (lua_next(L, -2)) {
    if (lua_type(L, -2) != LUA_TSTRING)
      bad_value(L, p, "MG-TYPE", "a table whose keys are neither texts nor 1, 2, ... without gap");
    size_t length;
    place below = {p, lua_tolstring(L, -2, &length), 0, p->depth + 1};
    if (strlen(below.key) != length)
      bad_value(L, &below, "MG-ARGUMENT", "under a key with a zero byte");
    add_value(L, &below, into);
    lua_pop(L, 1);
  }
}

static void fill_table(lua_State *L, const place *p, mg_json *into) {
  if (mg_json_kind_of(into) == MG_JSON_LIST) fill_list(L, p, into);
  else fill_object(L, p, into);
}

static mg_json *new_table(lua_State *L, const place *p) {
  int is_list = has_metatable(L, -1, LIST);
  if (!is_list && lua_getmetatable(L, -1)) {
    char got[80];
    lua_pushliteral(L, "__name");
    lua_rawget(L, -2);
    snprintf(got, sizeof got, "a %s",
             lua_type(L, -1) == LUA_TSTRING ? lua_tostring(L, -1) : "table with a metatable");
    bad_value(L, p, "MG-TYPE", got);
  }
  if (p->depth >= MAX_DEPTH) bad_value(L, p, "MG-ARGUMENT", "nested too deeply, or holds itself");
  int64_t length = list_length(L);
  if (is_list && length < 0) bad_value(L, p, "MG-TYPE", "a list with gaps or other keys");
  return made(L, p, mg_json_new(is_list || length > 0 ? MG_JSON_LIST : MG_JSON_OBJECT));
}

/* The value at the top of the stack; tables still empty. */
static mg_json *new_value(lua_State *L, const place *p) {
  luaL_checkstack(L, 8, "JSON nested too deeply");
  double number;
  size_t length;
  const char *text;
  switch (lua_type(L, -1)) {
    case LUA_TBOOLEAN:
      return mg_json_new(lua_toboolean(L, -1) ? MG_JSON_TRUE : MG_JSON_FALSE);
    case LUA_TNUMBER:
      number = (double)lua_tonumber(L, -1);
      if (number != number) bad_value(L, p, "MG-NUMBER", "NaN");
      if (isinf(number)) bad_value(L, p, "MG-NUMBER", "infinite");
      return made(L, p, mg_json_new_number(number));
    case LUA_TSTRING:
      text = lua_tolstring(L, -1, &length);
      return made(L, p, mg_json_new_text(text, (int64_t)length));
    case LUA_TTABLE: return new_table(L, p);
    default: break;
  }
  if (luaL_testudata(L, -1, NONE)) return mg_json_new(MG_JSON_NULL);
  char got[40];
  snprintf(got, sizeof got, "a %s", luaL_typename(L, -1));
  bad_value(L, p, "MG-TYPE", got);
  return NULL;
}

/* Turns the argument at index into the box's value. */
static void take_value(lua_State *L, int index, json_box *box) {
  place top = {NULL, NULL, 0, 0};
  lua_pushvalue(L, index);
  box->value = new_value(L, &top);
  if (lua_istable(L, -1)) fill_table(L, &top, box->value);
  lua_pop(L, 1);
}

/* json_encode(value, indent) -> text */
static int json_encode(lua_State *L) {
  int indent = check_int(L, 2);
  json_box *box = new_box(L);
  array_box *text = array_box_new(L);
  call_begin(L, state_of(L));
  take_value(L, 1, box);
  text->array = mg_json_print(box->value, indent);
  drop(box);
  if (!text->array) return raise_failure(L);
  return array_box_push_text(L, text);
}

/* json_write(path, value, indent) -> true, or nil, message */
static int json_write(lua_State *L) {
  const char *path = check_text(L, 1);
  int indent = check_int(L, 3);
  json_box *box = new_box(L);
  call_begin(L, state_of(L));
  take_value(L, 2, box);
  mg_status status = mg_json_write(path, box->value, indent);
  drop(box);
  return file_done(L, status);
}

/* json_list(t): t, marked as a list, also if it is empty */
static int json_list(lua_State *L) {
  check_list(L, 1);
  lua_settop(L, 1);
  luaL_getmetatable(L, LIST);
  lua_setmetatable(L, 1);
  return 1;
}

static int none_text(lua_State *L) {
  lua_pushliteral(L, "null");
  return 1;
}

void open_json(lua_State *L) {
  static const luaL_Reg functions[] = {{"json_decode", json_decode}, {"json_read", json_read},
                                       {"json_encode", json_encode}, {"json_write", json_write},
                                       {"json_list", json_list},     {NULL, NULL}};
  static const luaL_Reg none[] = {{"__tostring", none_text}, {NULL, NULL}};
  open_type(L, VALUE, value_free);
  open_type(L, NONE, NULL);
  luaL_getmetatable(L, NONE);
  open_functions(L, none);
  lua_pop(L, 1);
  luaL_newmetatable(L, LIST);
  lua_pop(L, 1);
  open_functions(L, functions);
  push_none(L);
  if (lua_isnil(L, -1)) { /* one for both modules of a state */
    lua_pop(L, 1);
    compat_new_userdata(L, 1);
    luaL_getmetatable(L, NONE);
    lua_setmetatable(L, -2);
    lua_pushvalue(L, -1);
    lua_setfield(L, LUA_REGISTRYINDEX, "mapgrad.null.value");
  }
  lua_setfield(L, -2, "json_null");
}
