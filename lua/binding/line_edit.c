/* Lines from a terminal, edited, with a history kept in a file: libedit through its own interface (its
 * readline look-alike shares names with the GNU readline that Debian's lua5.4 has loaded). */
#include <histedit.h>
#include <locale.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "binding.h"

enum { MOST_LINES = 10000 };

static struct {
  EditLine *edit;
  History *history;
  char prompt[64];
  char file[512]; /* of the history; "" for none */
} editor;

static char *prompt(EditLine *e) {
  (void)e;
  return editor.prompt;
}

static volatile sig_atomic_t stopped;

static void on_interrupt(int number) {
  (void)number;
  stopped = 1;
}

/* Makes the editor at the first call; 0 if the terminal cannot have one. */
static int start(const char *file) {
  if (editor.edit) return 1;
  HistEvent event;
  setlocale(LC_CTYPE, ""); /* so that UTF-8 is edited; numbers stay in the "C" locale */
  editor.edit = el_init("mapgrad", stdin, stdout, stderr);
  editor.history = history_init();
  if (!editor.edit || !editor.history) return 0;
  snprintf(editor.file, sizeof editor.file, "%s", file);
  history(editor.history, &event, H_SETSIZE, MOST_LINES);
  history(editor.history, &event, H_SETUNIQUE, 1);
  if (editor.file[0]) history(editor.history, &event, H_LOAD, editor.file); /* none at first */
  el_set(editor.edit, EL_EDITOR, "emacs");
  el_set(editor.edit, EL_SIGNAL, 0);
  el_set(editor.edit, EL_PROMPT, prompt);
  el_set(editor.edit, EL_HIST, history, editor.history);
  el_set(editor.edit, EL_BIND, "^R", "em-inc-search-prev", NULL);
  return 1;
}

static void remember(const char *line) {
  HistEvent event;
  if (strspn(line, " \t\n") == strlen(line)) return;
  history(editor.history, &event, H_ENTER, line);
  if (editor.file[0]) history(editor.history, &event, H_SAVE, editor.file); /* best effort */
}

/* edit_line(prompt, history file or "") -> line without its end; nil at the end of input; false after
 * Ctrl-C */
static int edit_line(lua_State *L) {
  snprintf(editor.prompt, sizeof editor.prompt, "%s", luaL_checkstring(L, 1));
  if (!start(luaL_optstring(L, 2, "")))
    return raise_message(L, "MG-TERMINAL", "edit_line: this terminal cannot be edited on");
  struct sigaction action, former;
  memset(&action, 0, sizeof action);
  action.sa_handler = on_interrupt; /* without SA_RESTART: the read below ends */
  sigemptyset(&action.sa_mask);
  stopped = 0;
  sigaction(SIGINT, &action, &former);
  int length = 0;
  const char *line = el_gets(editor.edit, &length);
  sigaction(SIGINT, &former, NULL);
  if (!line || length <= 0) {
    if (stopped) lua_pushboolean(L, 0);
    else lua_pushnil(L);
    return 1;
  }
  remember(line);
  lua_pushlstring(L, line, strcspn(line, "\n"));
  return 1;
}

void open_line_edit(lua_State *L) {
  static const luaL_Reg functions[] = {{"edit_line", edit_line}, {NULL, NULL}};
  open_functions(L, functions);
}
