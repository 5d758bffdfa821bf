/* Results of evaluations; see results.h. */
#include "app/results.h"

#include <stdio.h>

void lt_app_put_metrics(json_t *o, const lt_run *r, const lt_metrics *m) {
    const lt_judge *j = lt_run_judge(r);
    for (int i = 0; i < j->kind->n_columns; i++)
        json_object_set_new(o, j->kind->column[i].name, lt_app_number(lt_metric_value(&j->kind->column[i], m)));
    if (j->tags.n_types == 0) return;
    json_object_set_new(o, "broken_truth", json_integer(m->broken_truth));
    json_object_set_new(o, "broken_predicted", json_integer(m->broken_predicted));
}

static void put_scores(json_t *o, lt_scores s, lt_scores strict) {
    json_object_set_new(o, "precision", json_real(s.precision));
    json_object_set_new(o, "recall", json_real(s.recall));
    json_object_set_new(o, "f1", json_real(s.f1));
    json_object_set_new(o, "precision_strict", json_real(strict.precision));
    json_object_set_new(o, "recall_strict", json_real(strict.recall));
    json_object_set_new(o, "f1_strict", json_real(strict.f1));
}

static void put_entities(json_t *o, const lt_tagset *t, const lt_detail *d) {
    json_t *types = json_array(), *averages = json_object();
    for (int i = 0; i < t->n_types; i++) {
        json_t *type = json_pack("{s:s}", "type", t->type[i]);
        put_scores(type, lt_scores_of(d->entity[i]), lt_scores_of(d->strict[i]));
        json_object_set_new(type, "support", json_integer(d->entity[i].truth));
        json_object_set_new(type, "predicted", json_integer(d->entity[i].predicted));
        json_object_set_new(type, "right", json_integer(d->entity[i].right));
        json_array_append_new(types, type);
    }
    for (int k = 0; k < LT_AVERAGE_COUNT; k++) {
        json_t *average = json_object();
        put_scores(average, lt_scores_average((lt_average)k, d->entity, t->n_types),
                   lt_scores_average((lt_average)k, d->strict, t->n_types));
        json_object_set_new(averages, lt_average_names[k], average);
    }
    json_object_set_new(o, "types", types);
    json_object_set_new(o, "averages", averages);
}

void lt_app_put_detail(json_t *o, const lt_run *r, const lt_detail *d) {
    const lt_judge *j = lt_run_judge(r);
    if (j->tags.n_types) put_entities(o, &j->tags, d);
    if (!d->confusion) return;
    json_t *labels = json_array(), *rows = json_array();
    for (int k = 0; k < j->K; k++) {
        json_t *row = json_array();
        for (int i = 0; i < j->K; i++) json_array_append_new(row, json_integer(d->confusion[(int64_t)k * j->K + i]));
        json_array_append_new(labels, json_string(lt_run_label_name(r, k)));
        json_array_append_new(rows, row);
    }
    json_object_set_new(o, "labels", labels);
    json_object_set_new(o, "confusion", rows);
}

void lt_app_print_entities(const lt_run *r, const lt_metrics *m, const lt_detail *d) {
    const lt_tagset *t = &lt_run_judge(r)->tags;
    if (t->n_types == 0) return;
    lt_scores_print((const char *const *)t->type, d->entity, d->strict, t->n_types, stdout);
    if (m->broken_truth || m->broken_predicted)
        printf("  broken tags (I- that continues nothing; they begin a span, but none in f1_strict): %lld in the truth, %lld predicted\n",
               (long long)m->broken_truth, (long long)m->broken_predicted);
}
