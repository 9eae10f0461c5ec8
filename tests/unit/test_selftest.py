# SPDX-License-Identifier: GPL-2.0-or-later
"""The skeleton of a selftest: who posts to whom, and that what is lost is noticed.

The skeleton is run with headers of a few lines that stand in for those of the selftests: an interrupt is one call of
the handler, or, where it is to be lost, none.
"""

from __future__ import annotations

import re
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest
from test_account import account, confirm, run_of
from test_reports import kernel_tree

from lostirq.errors import UsageError
from lostirq.evidence.account import Account, Fact, Said, Step
from lostirq.report.selftest import selftest
from lostirq.workflow.counterexample import Project, project
from lostirq.workflow.report import _compile

ROOT = Path(__file__).parents[2]
TEMPLATE = (ROOT / "model" / "selftest.c.in").read_text()

HEADERS = {
    "test_util.h": """
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#define READ_ONCE(x) (*(volatile __typeof__(x) *)&(x))
#define WRITE_ONCE(x, v) (*(volatile __typeof__(x) *)&(x) = (v))
#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))
#define TEST_ASSERT(e, ...) do { if (!(e)) { printf(__VA_ARGS__); exit(254); } } while (0)
""",
    "processor.h": """
struct ex_regs { uint64_t vector; };
static __thread unsigned int here;
#define cpu_relax() __asm__ volatile("" ::: "memory")
#define sti_nop() cpu_relax()
""",
    "apic.h": """
enum { APIC_ID, APIC_EOI };
#define x2apic_enable() cpu_relax()
#define x2apic_write_reg(reg, value) cpu_relax()
#define x2apic_read_reg(reg) here
""",
    "kvm_util.h": """
#include "processor.h"
struct kvm_vm { int unused; };
struct kvm_vcpu { unsigned int id; };
struct kvm_msi { uint32_t address_lo, data; };
struct ucall { int cmd; };
enum { UCALL_DONE, UCALL_ABORT };
#define GUEST_DONE() return
#define REPORT_GUEST_ASSERT(uc) abort()
#define get_ucall(vcpu, uc) ((uc)->cmd = UCALL_DONE)
#define vm_ioctl(vm, kind, msi) deliver(msi)
#define addr_gva2hva(vm, address) ((void *)(address))
#define sync_global_to_guest(vm, g) __sync_synchronize()
#define kvm_vm_free(vm) __sync_synchronize()
static void (*code)(void);
static void (*handlers[256])(struct ex_regs *);
static inline void vcpu_run(struct kvm_vcpu *vcpu) { here = vcpu->id; code(); }
static inline void vm_install_exception_handler(struct kvm_vm *vm, int vector, void (*h)(struct ex_regs *))
{ handlers[vector] = h; }
static inline struct kvm_vm *vm_create_with_vcpus(int n, void (*c)(void), struct kvm_vcpu **vcpus)
{
    static struct kvm_vcpu all[64];
    static struct kvm_vm vm;
    for (code = c; n--; vcpus[n] = &all[n]) all[n].id = n;
    return &vm;
}
static inline void deliver(struct kvm_msi *msi)
{
    static int sent;
    struct ex_regs regs = { msi->data };
    here = msi->address_lo >> 12 & 0xff;
    printf("%u:%u ", here, msi->data);
    if (++sent != LOST) handlers[msi->data](&regs);
}
""",
}


def step(column: str, text: str, *events: str) -> Step:
    return Step(0, 0, column, (Said(column, "f", (Fact(text),)),), "f", events=events)


def several() -> Account:
    """Two vCPUs; a device and a sender post, a bypasser and the host only act."""
    found = run_of()
    made = account(found, confirm(found))
    steps = (step("vCPU 0", "halts"), step("bypasser 0", "adds a producer", "attach()"),
             step("IOMMU 0", "sets PIR", "accept(1, 0)"), step("sender 0", "sets PIR", "merge(0, 3)"),
             step("pCPU 0", "takes a notification", "kick(1)"))
    return replace(made, steps=steps, columns=tuple(dict.fromkeys(s.column for s in steps)), loop=None)


def function(text: str, name: str) -> str:
    return text[text.index(f"static void agent_{name}(") :].partition("\n}\n")[0]


def test_only_who_sends_in_the_run_posts_and_to_the_vcpu_of_the_run() -> None:
    text = selftest(several(), TEMPLATE, "vCPU")
    assert "post_and_wait(vm, 1, 0);" in function(text, "iommu_0")
    assert "post_and_wait(vm, 0, 3);" in function(text, "sender_0")
    for name in ("bypasser_0", "pcpu_0"):
        assert "post" not in function(text, name).replace("nothing is posted", "")
        assert "/* FILL IN: do it; nothing is posted and nothing is checked here */" in function(text, name)
    assert "nothing is checked" not in function(text, "iommu_0")


def test_the_guest_has_as_many_vcpus_as_the_run_names() -> None:
    made = several()
    assert "#define NR_VCPUS\t2\n" in selftest(made, TEMPLATE, "vCPU")      # vCPU 1 is only posted to
    assert "#define NR_VCPUS\t1\n" in selftest(replace(made, steps=made.steps[:2]), TEMPLATE, "vCPU")


@pytest.mark.parametrize("event", ["accept(2)", "accept()", "accept(1, evil())", "accepted(1, 2)"])
def test_an_event_that_does_not_say_whom_is_left_to_fill_in(event: str) -> None:
    made = replace(several(), steps=(step("IOMMU 0", "sets PIR", event),), columns=("IOMMU 0",))
    text = selftest(made, TEMPLATE, "vCPU")
    assert "nothing is checked here" in function(text, "iommu_0") and "evil" not in text.partition("pthread.h")[2]


def test_a_post_stands_behind_its_step() -> None:
    made = several()
    later = replace(made, steps=(*made.steps[:3], step("IOMMU 0", "sends a notification"), *made.steps[3:]))
    body = function(selftest(later, TEMPLATE, "vCPU"), "iommu_0")
    assert body.index("sets PIR") < body.index("post_and_wait") < body.index("sends a notification")


@pytest.mark.parametrize(("lost", "told"), [(0, ""), (1, "vCPU 1 has lost an interrupt, vector 0x41"),
                                            (3, "vCPU 1 has lost an interrupt, vector 0x41"),
                                            (4, "vCPU 0 has lost an interrupt, vector 0x44")])  # fmt: skip
def test_what_is_lost_is_noticed(tmp_path: Path, lost: int, told: str) -> None:
    """Also in a later round, where others have been handled since."""
    compiler = shutil.which("cc")
    if compiler is None:
        pytest.skip("no C compiler")
    for name, text in HEADERS.items():
        (tmp_path / name).write_text("#pragma once\n" + text)
    text = selftest(several(), TEMPLATE, "vCPU")
    text = re.sub(r"(ROUNDS|DEADLINE_US)\t+1000(000)?\n", lambda m: f"{m[1]} {3 if m[1] == 'ROUNDS' else 2000}\n", text)
    (tmp_path / "skeleton.c").write_text(text)
    subprocess.run([compiler, "-Wall", "-Werror", "-pthread", f"-DLOST={lost}", "-I.", "-o", "skeleton", "skeleton.c"],
                   cwd=tmp_path, check=True)
    done = subprocess.run([tmp_path / "skeleton"], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == (254 if lost else 0) and done.stdout.endswith(told), done
    if not lost:
        assert done.stdout == "1:65 0:68 " * 3


def test_it_compiles_against_a_kernel_tree_with_several_agents() -> None:
    tree = kernel_tree()
    if tree is None or shutil.which("cc") is None:
        pytest.skip("no kernel tree with selftests (name one in LOSTIRQ_KERNEL_TREE), or no C compiler")
    found: Project = project(ROOT)
    text = selftest(several(), TEMPLATE, "vCPU")
    _compile(text, tree, found)
    with pytest.raises(UsageError, match="does not compile"):
        _compile(text.replace("post_and_wait(vm, 1, 0)", "post_and_wait(vm)"), tree, found)
