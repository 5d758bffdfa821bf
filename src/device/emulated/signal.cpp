/* Accesses that pages forbid: by a kernel they are a finding as others are, by the host the process dies where it did it, with a word about what it touched. */
#include "device/emulated/grid_impl.h"

#include <csignal>
#include <cstdio>
#include <cstring>
#include <sys/mman.h>
#include <ucontext.h>
#include <unistd.h>

namespace lt_emu {

static struct sigaction before_segv, before_bus;
static struct {
    const void *address, *pc;
    bool no_address;
} crash;

/* Runs on the top of the stack of the thread that did it. */
[[noreturn]] static void crashed() {
    char text[200];
    const void *pc = static_cast<const char *>(crash.pc) + 1;
    if (crash.no_address) found_at(pc, "an access to a misaligned address, or to one that no machine has");
    if (fibre_on_stack(crash.address)) found_at(pc, "the stack of the thread is too small");
    found_at(pc, "an access to %p: %s", crash.address, describe(crash.address, text, sizeof text));
}

static void host_touches(const void *address) {
    char text[200], line[400];
    int n = snprintf(line, sizeof line, "\nltune: the host reads or writes device memory at %p (%s): only kernels and copies may\n",
                     address, describe(address, text, sizeof text));
    (void)!write(2, line, (size_t)n);
}

static void on_signal(int number, siginfo_t *info, void *context) {
    struct sigaction *old = number == SIGBUS ? &before_bus : &before_segv;
#ifdef __x86_64__
    ucontext_t *c = static_cast<ucontext_t *>(context);
    if (in_kernel() && info->si_code > 0) {
        crash.address = info->si_addr;
        crash.no_address = number == SIGSEGV && info->si_code == SI_KERNEL;
        crash.pc = reinterpret_cast<void *>(c->uc_mcontext.gregs[REG_RIP]);
        char *top = fibre_top(&running->context);
        c->uc_mcontext.gregs[REG_RSP] = reinterpret_cast<greg_t>(top) - 8; /* as after a call */
        c->uc_mcontext.gregs[REG_RIP] = reinterpret_cast<greg_t>(crashed);
        return;
    }
#else
    (void)context;
#endif
    if (in_device_range(info->si_addr)) host_touches(info->si_addr);
    if (old->sa_flags & SA_SIGINFO && old->sa_sigaction) {
        old->sa_sigaction(number, info, context);
        return;
    }
    if (old->sa_handler != SIG_DFL && old->sa_handler != SIG_IGN) {
        old->sa_handler(number);
        return;
    }
    signal(number, SIG_DFL); /* it happens again, now for good */
}

void signals_install() {
    static bool done;
    struct sigaction a = {};
    if (done) return;
    done = true;
    a.sa_sigaction = on_signal;
    a.sa_flags = SA_SIGINFO | SA_ONSTACK | SA_NODEFER;
    (void)sigaction(SIGSEGV, &a, &before_segv);
    (void)sigaction(SIGBUS, &a, &before_bus);
}

/* A handler cannot run on a stack that is used up. */
struct other_stack {
    void *p = nullptr;
    enum { BYTES = 64 << 10 };
    other_stack() {
        stack_t now;
        if (sigaltstack(nullptr, &now) != 0 || !(now.ss_flags & SS_DISABLE)) return; /* somebody has one */
        p = mmap(nullptr, BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        if (p == MAP_FAILED) p = nullptr;
        stack_t s = {};
        s.ss_sp = p;
        s.ss_size = BYTES;
        if (p) (void)sigaltstack(&s, nullptr);
    }
    ~other_stack() {
        stack_t s = {};
        s.ss_flags = SS_DISABLE;
        if (p) (void)sigaltstack(&s, nullptr);
        if (p) (void)munmap(p, BYTES);
    }
};

void signals_of_thread() {
    static thread_local other_stack s;
    (void)s.p;
}

} // namespace lt_emu
