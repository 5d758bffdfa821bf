/* What both kinds of assistants have in common; see assistant.h. */
#include "assistant/assistant_impl.h"

#include "base/log.h"
#include "base/mem.h"

#include <stdlib.h>
#include <string.h>

void lt_answers_free(lt_answers *a) {
    for (int i = 0; i < a->n; i++) free(a->text[i]);
    free(a->text);
    free(a->problem);
    *a = (lt_answers){0};
}

bool lt_assistant_is_student(const lt_assistant_cfg *cfg, const char *student_path) {
    char *mine = cfg->model[0] ? realpath(cfg->model, NULL) : NULL, *its = realpath(student_path, NULL);
    bool same = mine && its && !strcmp(mine, its);
    free(mine);
    free(its);
    return same;
}

lt_status lt_assistant_check(const lt_assistant_cfg *cfg) {
    lt_arch arch;
    bool model = cfg->model[0] != 0, command = cfg->command[0] != 0;
    LT_CHECK(model || command, LT_ERR_CONFIG,
             "method.name: gpta needs an assistant: set assistant.model (the folder of a decoder) or assistant.command (a program)");
    LT_CHECK(!(model && command), LT_ERR_CONFIG, "assistant.model and assistant.command are both set: an assistant is one of them");
    if (!model) return LT_OK;
    LT_TRY(lt_arch_read(cfg->model, &arch));
    lt_status st = lt_arch_check_writes(&arch);
    return st == LT_OK
               ? LT_OK
               : LT_FAIL(LT_ERR_CONFIG, "assistant.model: %s cannot write texts: %s; an assistant is a decoder with its output matrix",
                         cfg->model, lt_err_last()->msg);
}

lt_status lt_assistant_measure(const lt_assistant_args *a, lt_comm *world, int ranks, size_t *bytes, int *tp) {
    *bytes = 0;
    *tp = 1;
    LT_TRY(lt_agree(world, lt_assistant_check(a->cfg)));
    return a->cfg->command[0] || a->student ? LT_OK : lt_assistant_impl_measure_model(a, world, ranks, bytes, tp);
}

lt_status lt_assistant_open(const lt_assistant_args *a, lt_comm *world, lt_assistant **out) {
    *out = NULL;
    LT_TRY(lt_agree(world, lt_assistant_check(a->cfg)));
    return a->cfg->command[0] ? lt_assistant_impl_open_command(a, world, out) : lt_assistant_impl_open_model(a, world, out);
}

void lt_assistant_close(lt_assistant **a) {
    if (*a) (*a)->kind->close(*a);
    *a = NULL;
}

lt_status lt_assistant_ask(lt_assistant *a, const lt_question *question, int count, int n, lt_answers *out) {
    double t0 = lt_time_s();
    LT_ASSERT(n > 0 && n <= a->most && count > 0 && count <= a->questions);
    for (int i = 0; i < count; i++) out[i] = (lt_answers){0};
    lt_status st = a->kind->ask(a, question, count, n, out);
    for (int i = 0; i < count; i++) {
        if (st != LT_OK) lt_answers_free(&out[i]);
        out[i].seconds = (lt_time_s() - t0) / count;
    }
    return st;
}

const char *lt_assistant_name(const lt_assistant *a) { return a->name; }
