/* YAML -> leaves with their line, over libyaml's document interface.
 *
 * Maps join with dots, lists of scalars stay lists, lists of maps get numbers (trials.0.method.name).  Dotted keys mean the same as nested maps.  Anchors,
 * aliases, tag directives, duplicate keys and non-scalar keys are refused: a run file is read by people.  Depth is checked on the tokens, before the
 * document is built: libyaml's time grows with its square. */
#include "base/config_impl.h"

#include "base/mem.h"

#include <stdlib.h>
#include <string.h>
#include <yaml.h>

typedef struct reader {
    lt_config_entries *out;
    yaml_document_t *doc;
    const char *file;
    bool command_line;
} reader;

static void entry_free(lt_config_entry *e) {
    for (int i = 0; i < e->n_items; i++) free(e->item[i]);
    free(e->item);
    free(e->path);
    free(e->source);
    *e = (lt_config_entry){0};
}

void lt_config_impl_entries_free(lt_config_entries *e) {
    for (int i = 0; i < e->n; i++) entry_free(&e->entry[i]);
    free(e->entry);
    *e = (lt_config_entries){0};
}

static uint64_t hash_of(const char *path) {
    uint64_t h = 14695981039346656037u; /* FNV-1a */
    for (; *path; path++) h = (h ^ (unsigned char)*path) * 1099511628211u;
    return h;
}

/* Removes a path and all below it. */
static void drop(lt_config_entries *e, const char *path) {
    size_t n = strlen(path);
    int kept = 0;
    for (int i = 0; i < e->n; i++) {
        const char *p = e->entry[i].path;
        if (!strncmp(p, path, n) && (p[n] == '.' || !p[n]))
            entry_free(&e->entry[i]);
        else
            e->entry[kept++] = e->entry[i];
    }
    e->n = kept;
}

/* Lists and maps whose keys are not known beforehand: given anew, nothing of the old one stays. */
static bool is_whole(const char *path) {
    if (!strcmp(path, "trials") || !strcmp(path, "sweep")) return true;
    if (!strncmp(path, "trials.", 7)) path = path + 7 + strspn(path + 7, "0123456789");
    return !strcmp(*path == '.' ? path + 1 : path, "method.labels");
}

static lt_status source_of(const reader *r, const yaml_node_t *node, char **out) {
    char text[4200];
    if (r->command_line)
        (void)snprintf(text, sizeof text, "command line");
    else
        (void)snprintf(text, sizeof text, "%s:%zu", r->file, node->start_mark.line + 1);
    return lt_strdup(out, text);
}

/* Adds a leaf; node is a scalar or a list of scalars. */
static lt_status add_leaf(reader *r, const char *path, yaml_node_t *node) {
    lt_config_entries *all = r->out;
    lt_config_entry e = {.list = node->type == YAML_SEQUENCE_NODE};
    lt_status st = LT_OK;
    int n = e.list ? (int)(node->data.sequence.items.top - node->data.sequence.items.start) : 1;
    LT_TRY_GOTO(lt_strdup(&e.path, path), st, fail);
    LT_TRY_GOTO(source_of(r, node, &e.source), st, fail);
    LT_TRY_GOTO(lt_calloc(&e.item, n, sizeof *e.item, "a configuration value"), st, fail);
    for (int i = 0; i < n; i++) {
        yaml_node_t *item = e.list ? yaml_document_get_node(r->doc, node->data.sequence.items.start[i]) : node;
        LT_CHECK_GOTO(item->type == YAML_SCALAR_NODE, st, fail, LT_ERR_CONFIG, "%s: %s: a list here holds plain values only", e.source,
                      path);
        LT_CHECK_GOTO(strlen((char *)item->data.scalar.value) == item->data.scalar.length, st, fail, LT_ERR_CONFIG,
                      "%s: %s: a zero byte in a value", e.source, path);
        LT_TRY_GOTO(lt_strdup(&e.item[e.n_items], (char *)item->data.scalar.value), st, fail);
        e.n_items++;
    }
    e.hash = hash_of(path);
    for (int i = 0; i < all->n; i++) {
        lt_config_entry *old = &all->entry[i];
        if (old->hash != e.hash || strcmp(old->path, path) != 0) continue;
        LT_CHECK_GOTO(r->command_line, st, fail, LT_ERR_CONFIG, "%s: %s was set before, at %s", e.source, path, old->source);
        entry_free(old);
        *old = e;
        return LT_OK;
    }
    LT_CHECK_GOTO(all->n < LT_CFG_MAX_LEAVES, st, fail, LT_ERR_CONFIG, "%s: more than %d values: is it a run file?", e.source,
                  LT_CFG_MAX_LEAVES);
    if (all->n == all->cap) {
        int cap = all->cap ? 2 * all->cap : 64;
        lt_config_entry *grown = realloc(all->entry, (size_t)cap * sizeof *grown);
        LT_CHECK_GOTO(grown, st, fail, LT_ERR_NOMEM, "no memory for the configuration");
        all->entry = grown;
        all->cap = cap;
    }
    all->entry[all->n++] = e;
    return LT_OK;
fail:
    entry_free(&e);
    return st;
}

static lt_status walk(reader *r, const char *path, yaml_node_t *node, int depth);

static lt_status walk_child(reader *r, const char *path, const char *name, yaml_node_t *child, int depth) {
    char full[512];
    int n = snprintf(full, sizeof full, "%s%s%s", path, *path ? "." : "", name);
    LT_CHECK(n < (int)sizeof full && depth < 8, LT_ERR_CONFIG, "%s:%zu: nested too deeply at %.60s", r->file, child->start_mark.line + 1,
             full);
    return walk(r, full, child, depth + 1);
}

static lt_status walk(reader *r, const char *path, yaml_node_t *node, int depth) {
    char number[16];
    if (r->command_line && node->type != YAML_SCALAR_NODE && is_whole(path)) drop(r->out, path);
    if (node->type == YAML_SCALAR_NODE) return add_leaf(r, path, node);
    if (node->type == YAML_SEQUENCE_NODE) {
        yaml_node_item_t *item = node->data.sequence.items.start, *top = node->data.sequence.items.top;
        if (item == top || yaml_document_get_node(r->doc, *item)->type == YAML_SCALAR_NODE) return add_leaf(r, path, node);
        LT_CHECK(top - item <= LT_CFG_MAX_TRIALS, LT_ERR_CONFIG, "%s:%zu: %s is a list of %td; at most %d", r->file,
                 node->start_mark.line + 1, path, top - item, LT_CFG_MAX_TRIALS);
        for (int i = 0; item < top; item++, i++) {
            (void)snprintf(number, sizeof number, "%d", i);
            LT_TRY(walk_child(r, path, number, yaml_document_get_node(r->doc, *item), depth));
        }
        return LT_OK;
    }
    bool trial = !strncmp(path, "trials.", 7) && !strchr(path + 7, '.');
    LT_CHECK(!trial || node->data.mapping.pairs.top > node->data.mapping.pairs.start, LT_ERR_CONFIG,
             "%s:%zu: %s is empty: give it a name at least", r->file, node->start_mark.line + 1, path);
    for (yaml_node_pair_t *p = node->data.mapping.pairs.start; p < node->data.mapping.pairs.top; p++) {
        yaml_node_t *key = yaml_document_get_node(r->doc, p->key);
        bool text = key->type == YAML_SCALAR_NODE && key->data.scalar.length > 0;
        LT_CHECK(text && strlen((char *)key->data.scalar.value) == key->data.scalar.length, LT_ERR_CONFIG,
                 "%s:%zu: a key must be plain text", r->file, key->start_mark.line + 1);
        LT_TRY(walk_child(r, path, (char *)key->data.scalar.value, yaml_document_get_node(r->doc, p->value), depth));
    }
    return LT_OK;
}

/* Anchors, aliases and directives are seen only in the token stream. */
static lt_status check_tokens(const char *text, size_t bytes, const char *file) {
    yaml_parser_t p;
    lt_status st = LT_OK;
    int depth = 0;
    LT_CHECK(yaml_parser_initialize(&p), LT_ERR_NOMEM, "no memory for a YAML reader");
    yaml_parser_set_input_string(&p, (const unsigned char *)text, bytes);
    for (bool end = false; !end && st == LT_OK;) {
        yaml_token_t t;
        if (!yaml_parser_scan(&p, &t)) break; /* the document reader tells what is wrong */
        if (t.type == YAML_ANCHOR_TOKEN || t.type == YAML_ALIAS_TOKEN)
            st = LT_FAIL(LT_ERR_CONFIG, "%s:%zu: anchors and aliases (& and *) are not supported", file, t.start_mark.line + 1);
        if (t.type == YAML_TAG_DIRECTIVE_TOKEN)
            st = LT_FAIL(LT_ERR_CONFIG, "%s:%zu: tag directives (%%TAG) are not supported", file, t.start_mark.line + 1);
        depth += t.type == YAML_BLOCK_SEQUENCE_START_TOKEN || t.type == YAML_BLOCK_MAPPING_START_TOKEN ||
                 t.type == YAML_FLOW_SEQUENCE_START_TOKEN || t.type == YAML_FLOW_MAPPING_START_TOKEN;
        depth -= t.type == YAML_BLOCK_END_TOKEN || t.type == YAML_FLOW_SEQUENCE_END_TOKEN || t.type == YAML_FLOW_MAPPING_END_TOKEN;
        if (depth > LT_CFG_MAX_DEPTH)
            st = LT_FAIL(LT_ERR_CONFIG, "%s:%zu: nested too deeply: more than %d maps and lists in each other", file, t.start_mark.line + 1,
                         LT_CFG_MAX_DEPTH);
        end = t.type == YAML_STREAM_END_TOKEN;
        yaml_token_delete(&t);
    }
    yaml_parser_delete(&p);
    return st;
}

lt_status lt_config_impl_read(lt_config_entries *e, const char *text, size_t bytes, const char *file, const char *prefix,
                              bool command_line) {
    yaml_parser_t p;
    yaml_document_t doc;
    LT_TRY(check_tokens(text, bytes, file));
    LT_CHECK(yaml_parser_initialize(&p), LT_ERR_NOMEM, "no memory for a YAML reader");
    yaml_parser_set_input_string(&p, (const unsigned char *)text, bytes);
    if (!yaml_parser_load(&p, &doc)) {
        lt_status st = LT_FAIL(LT_ERR_CONFIG, "%s:%zu: not YAML: %s%s%s", file, p.problem_mark.line + 1, p.problem ? p.problem : "?",
                               p.context ? " " : "", p.context ? p.context : "");
        yaml_parser_delete(&p);
        return st;
    }
    yaml_document_t second;
    yaml_node_t *root = yaml_document_get_root_node(&doc);
    reader r = {.out = e, .doc = &doc, .file = file, .command_line = command_line};
    lt_status st = LT_OK;
    if (!root && prefix)
        st = LT_FAIL(LT_ERR_CONFIG, "%s: %s= has no value", file, prefix);
    else if (root && !prefix && root->type != YAML_MAPPING_NODE)
        st = LT_FAIL(LT_ERR_CONFIG, "%s:%zu: expected keys (run:, model:, ...), found %s", file, root->start_mark.line + 1,
                     root->type == YAML_SCALAR_NODE ? "a plain value" : "a list");
    else if (root)
        st = walk(&r, prefix ? prefix : "", root, 0);
    /* what stands behind a second --- would be lost without a word */
    if (st == LT_OK && root) {
        bool more = !yaml_parser_load(&p, &second);
        if (!more) {
            more = yaml_document_get_root_node(&second) != NULL;
            yaml_document_delete(&second);
        }
        if (more) st = LT_FAIL(LT_ERR_CONFIG, "%s: more than one YAML document (---, ...): a run file is one", file);
    }
    yaml_document_delete(&doc);
    yaml_parser_delete(&p);
    return st;
}
