// TEST rooms: device  labels: unit
/* Device times by a table of a GPU whose clock the test turns: pieces add up by kind, what finds no events is taken for as long as the rest of its kind, what
 * lies between pieces or comes while the timer is off does not count, nothing is made after create(), a host that does not wait is found. */
#include "device/timer.h"
#include "lt_test.h"

struct lt_gpu_event {
    double at; /* ms; < 0: not reached */
};
static double clock_ms;
static int64_t made, recorded, events; /* created so far; record() calls; alive */
static bool reaches = true;            /* what is recorded is reached at once */

static lt_status event_create(bool timed, lt_gpu_event **e) {
    CHECK(timed);
    made++;
    events++;
    *e = calloc(1, sizeof **e);
    return *e ? LT_OK : LT_FAIL(LT_ERR_NOMEM, "no memory");
}
static lt_status event_create_few(bool timed, lt_gpu_event **e) {
    return events < 5 ? event_create(timed, e) : LT_FAIL(LT_ERR_CUDA, "no more events");
}
static void event_destroy(lt_gpu_event *e) {
    events--;
    free(e);
}
static lt_status record(lt_gpu_event *e, lt_stream *s) {
    CHECK(s == (lt_stream *)(void *)&clock_ms);
    recorded++;
    e->at = reaches ? clock_ms : -1;
    return LT_OK;
}
static lt_status elapsed_ms(lt_gpu_event *from, lt_gpu_event *to, float *ms) {
    LT_CHECK(from->at >= 0 && to->at >= 0, LT_ERR_CUDA, "not waited for");
    *ms = (float)(to->at - from->at);
    return LT_OK;
}
static lt_gpu gpu = {.event_create = event_create, .event_destroy = event_destroy, .record = record, .elapsed_ms = elapsed_ms};

/* A piece of ms, and 100 ms of something else. */
static void piece(lt_gpu_timer *t, lt_timed kind, double ms) {
    lt_stream *s = (lt_stream *)(void *)&clock_ms;
    CHECK_OK(lt_gpu_timer_begin(t, kind, s));
    clock_ms += ms;
    CHECK_OK(lt_gpu_timer_end(t, kind, s));
    clock_ms += 100;
}

static const int64_t room[LT_TIMED_KINDS] = {4, 2, 1, 1};

static void test_adds_up(lt_gpu_timer *t) {
    double s[LT_TIMED_KINDS] = {9, 9, 9, 9};
    piece(t, LT_TIMED_LINEAR, 7); /* off */
    CHECK_INT(recorded, 0);
    CHECK_OK(lt_gpu_timer_read(t, s));
    CHECK(s[0] == 0 && s[1] == 0 && s[2] == 0 && s[3] == 0);
    for (int turn = 0; turn < 3; turn++) { /* the same events again */
        lt_gpu_timer_switch(t, true);
        piece(t, LT_TIMED_LINEAR, 1);
        piece(t, LT_TIMED_ATTENTION, 4);
        piece(t, LT_TIMED_LINEAR, 2);
        piece(t, LT_TIMED_MESSAGE, 16);
        CHECK_OK(lt_gpu_timer_read(t, s));
        CHECK_NEAR(s[LT_TIMED_LINEAR], 3e-3, 1e-9);
        CHECK(fabs(s[LT_TIMED_LINEAR] - 3.1e-3) > 1e-9); /* the limit sees a piece that is a thirtieth longer */
        CHECK_NEAR(s[LT_TIMED_ATTENTION], 4e-3, 1e-9);
        CHECK(s[LT_TIMED_SUM] == 0);
        CHECK_NEAR(s[LT_TIMED_MESSAGE], 16e-3, 1e-9);
        lt_gpu_timer_switch(t, false);
        piece(t, LT_TIMED_LINEAR, 7);
        CHECK_OK(lt_gpu_timer_read(t, s));
        CHECK(s[LT_TIMED_LINEAR] == 0);
    }
}

static void test_no_room(lt_gpu_timer *t) {
    double s[LT_TIMED_KINDS];
    lt_gpu_timer_switch(t, true);
    int64_t before = recorded;
    for (int i = 0; i < 10; i++) piece(t, LT_TIMED_LINEAR, i < 4 ? 1 + i : 1000); /* 1 2 3 4 are timed: 2.5 each */
    piece(t, LT_TIMED_ATTENTION, 3);
    CHECK_INT(recorded - before, 2 * 4 + 2);
    CHECK_OK(lt_gpu_timer_read(t, s));
    CHECK_NEAR(s[LT_TIMED_LINEAR], 25e-3, 1e-9);
    CHECK_NEAR(s[LT_TIMED_ATTENTION], 3e-3, 1e-9);
}

int main(void) {
    lt_gpu_timer *t = NULL;
    double s[LT_TIMED_KINDS] = {9, 9, 9, 9};
    CHECK_OK(lt_gpu_timer_begin(NULL, LT_TIMED_SUM, NULL)); /* none: nothing */
    CHECK_OK(lt_gpu_timer_end(NULL, LT_TIMED_SUM, NULL));
    CHECK_OK(lt_gpu_timer_create(&gpu, room, &t));
    if (!t) return test_end();
    CHECK_INT(made, 2 * (4 + 2 + 1 + 1));
    test_adds_up(t);
    test_no_room(t);
    CHECK_INT(made, 16);
    lt_gpu_timer_switch(t, true);
    reaches = false;
    piece(t, LT_TIMED_SUM, 1);
    CHECK_FAILS(lt_gpu_timer_read(t, s), LT_ERR_CUDA, "not waited for");
    CHECK(s[0] == 9); /* results are written on success only */
    lt_gpu_timer_destroy(&t);
    lt_gpu_timer_destroy(&t);
    CHECK_INT(events, 0);
    gpu.event_create = event_create_few;
    CHECK_FAILS(lt_gpu_timer_create(&gpu, room, &t), LT_ERR_CUDA, "no more events");
    CHECK(!t);
    CHECK_INT(events, 0);
    return test_end();
}
