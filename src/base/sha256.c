/* SHA-256 over OpenSSL's EVP interface; see sha256.h. */
#include "base/sha256.h"

#include "base/hex.h"

#include <errno.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct lt_sha {
    EVP_MD_CTX *ctx;
    bool ok;
};

lt_status lt_sha_begin(lt_sha **s) {
    lt_sha *h = calloc(1, sizeof *h);
    LT_CHECK(h, LT_ERR_NOMEM, "no memory for a hash");
    h->ctx = EVP_MD_CTX_new();
    h->ok = h->ctx && EVP_DigestInit_ex(h->ctx, EVP_sha256(), NULL) == 1;
    *s = h;
    return LT_OK;
}

void lt_sha_add(lt_sha *s, const void *data, size_t bytes) { s->ok = s->ok && EVP_DigestUpdate(s->ctx, data, bytes) == 1; }

lt_status lt_sha_finish(lt_sha **s, char hex[LT_SHA_HEX_BYTES]) {
    unsigned char digest[EVP_MAX_MD_SIZE];
    unsigned int n = 0;
    lt_sha *h = *s;
    bool ok = h->ok && EVP_DigestFinal_ex(h->ctx, digest, &n) == 1 && n == 32;
    EVP_MD_CTX_free(h->ctx);
    free(h);
    *s = NULL;
    LT_CHECK(ok, LT_ERR_INTERNAL, "libcrypto could not compute a SHA-256");
    lt_hex_write(digest, n, hex);
    return LT_OK;
}

lt_status lt_sha_bytes(const void *data, size_t bytes, char hex[LT_SHA_HEX_BYTES]) {
    lt_sha *s = NULL;
    LT_TRY(lt_sha_begin(&s));
    lt_sha_add(s, data, bytes);
    return lt_sha_finish(&s, hex);
}

lt_status lt_sha_file(const char *path, char hex[LT_SHA_HEX_BYTES]) {
    lt_sha *s = NULL;
    unsigned char *buf = NULL;
    lt_status st = LT_OK;
    enum { CHUNK = 1 << 20 };
    FILE *f = fopen(path, "rb");
    LT_CHECK(f, LT_ERR_IO, "cannot open %s: %s", path, strerror(errno));
    buf = malloc(CHUNK);
    LT_CHECK_GOTO(buf, st, done, LT_ERR_NOMEM, "no memory to read %s", path);
    LT_TRY_GOTO(lt_sha_begin(&s), st, done);
    for (size_t n; (n = fread(buf, 1, CHUNK, f)) > 0;) lt_sha_add(s, buf, n);
    if (ferror(f)) st = LT_FAIL(LT_ERR_IO, "cannot read %s: %s", path, strerror(errno));
    LT_KEEP(st, lt_sha_finish(&s, hex));
done:
    free(buf);
    fclose(f);
    return st;
}
