/* A folder without weights that we read: what is it then?  The error names what is there, because a path to the wrong folder, a download of the
 * wrong files and an adapter taken for a model need different things done. */
#include "store/safetensors_impl.h"

#include "store/fs.h"

#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum { SHOWN = 4 };

/* Ends of names of files that hold weights, or parts of them, in forms that we do not read or without what we need beside them. */
static const char *const weights_end[] = {".h5",  ".msgpack", ".gguf", ".ggml", ".onnx",   ".ot",          ".pt",
                                          ".pth", ".ckpt",    ".npz",  ".bin",  ".tflite", ".safetensors", ".ckpt.index"};

static bool ends_with(const char *name, const char *end) {
    size_t n = strlen(name), m = strlen(end);
    return n >= m && strcmp(name + n - m, end) == 0;
}

static lt_status say_adapter(const char *dir, const char *name) {
    char *path;
    json_error_t why;
    LT_TRY(lt_fs_path(&path, "%s/adapter_config.json", dir));
    json_t *root = json_load_file(path, 0, &why);
    const char *base = json_string_value(json_object_get(root, "base_model_name_or_path"));
    lt_status rc =
        LT_FAIL(LT_ERR_IO,
                "%s holds a PEFT adapter (%s) and no model of its own; its base model is %s%.200s%s: give the folder of that model, "
                "or merge the adapter into it in Python with merge_and_unload().save_pretrained(DIR)",
                dir, name, base ? "\"" : "", base ? base : "not named", base ? "\"" : "");
    json_decref(root);
    free(path);
    return rc;
}

lt_status lt_st_impl_say_what_is_there(const char *dir) {
    struct stat info;
    char **name = NULL, there[SHOWN * 72] = "";
    const char *adapter = NULL;
    int n = 0, found = 0;
    LT_CHECK(stat(dir, &info) == 0, LT_ERR_IO, "cannot open the model folder %s: %s", dir, strerror(errno));
    LT_CHECK(S_ISDIR(info.st_mode), LT_ERR_IO, "%s is not a folder: give the folder that holds model.safetensors", dir);
    LT_TRY(lt_fs_list(dir, &name, &n));
    for (int i = 0; i < n; i++) {
        bool weights = false;
        if (!strcmp(name[i], "adapter_config.json") || !strncmp(name[i], "adapter_model.", 14)) adapter = name[i];
        for (size_t k = 0; k < sizeof weights_end / sizeof *weights_end; k++) weights = weights || ends_with(name[i], weights_end[k]);
        if (weights && found++ < SHOWN) {
            size_t at = strlen(there);
            (void)snprintf(there + at, sizeof there - at, "%s%.64s", at ? ", " : "", name[i]);
        }
    }
    lt_status rc =
        adapter ? say_adapter(dir, adapter)
        : found ? LT_FAIL(LT_ERR_IO,
                          "%s has neither model.safetensors nor pytorch_model.bin (nor an index of their shards), but %s%s: download the "
                          "weights in one of those two forms, or convert them once in Python with "
                          "AutoModel.from_pretrained(...).save_pretrained(DIR, safe_serialization=True)",
                          dir, there, found > SHOWN ? " and more" : "")
                : LT_FAIL(LT_ERR_IO,
                          "%s has neither model.safetensors nor pytorch_model.bin (nor an index of their shards): check the path or "
                          "download the weights",
                          dir);
    free(name);
    return rc;
}
