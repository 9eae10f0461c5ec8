# SPDX-License-Identifier: GPL-2.0-or-later
"""Posted interrupts in one page: a vCPU, senders, a device, an APICv toggler.  A workload for measuring, not KVM.

The real model is in model/; this one has the same shape at a size that every tool can finish: a descriptor with
PIR, ON and SN, a vCPU that syncs it into IRR before it enters and while it runs, posters that notify once, requests.
"""

from lostirq.prelude import *

PI_SENDERS = Param(0, "threads that post in software")
PI_DEVICES = Param(0, "devices that post by one atomic update")
PI_TOGGLERS = Param(0, "threads that switch APICv off and on")
PI_VECTORS = Param(1, "vectors")

PI_VCPUS = 1 if PI_SENDERS + PI_DEVICES > 0 else 0
PiVector = Int[0, PI_VECTORS - 1]
PiSender = Int[0, PI_SENDERS]
PiDevice = Int[0, PI_DEVICES]


class PiState(Struct):
    pir: Bits[PI_VECTORS]
    control: Packed(on=bool, sn=bool)
    notified: Message[bool]
    in_guest: bool
    active: bool = True
    event: bool
    update: bool
    irr: Bits[PI_VECTORS]
    isr: Bits[PI_VECTORS]


pi: PiState


@function()
def pi_kick():
    if pi.in_guest:
        lock_set(pi.notified, True)


@function()
def pi_sync():
    if pi.control.on:
        test_and_clear(pi.control.on)
        with window("harvest"):
            if pi.pir != 0:
                harvested = xchg(pi.pir, 0)
                fetch_or(pi.irr, harvested)


@thread(over=PI_SENDERS, symmetric=True)
def pi_sender(i: PiSender):
    while True:
        idle()
        vector = choose(PiVector)
        if pi.active:
            with window("posting"):
                if not test_and_set_bit(pi.pir, vector):
                    if not test_and_set(pi.control.on):
                        pi_kick()
        else:
            set_bit(pi.irr, vector)
            lock_set(pi.event, True)
            pi_kick()


@hardware(over=PI_DEVICES)
def pi_device(d: PiDevice):
    while True:
        idle()
        vector = choose(PiVector)
        notify = False
        with atomic():
            set_bit(pi.pir, vector)
            notify = not pi.control.on and not pi.control.sn
            if notify:
                pi.control.on = True
        if notify:
            with atomic():
                pi.notified = True


@thread(over=PI_TOGGLERS)
def pi_toggler(t: Int[0, PI_TOGGLERS]):
    while True:
        idle()
        lock_set(pi.update, True)
        pi_kick()


@thread(over=PI_VCPUS)
def pi_vcpu(i: Int[0, 1]):
    while True:
        idle()
        if test_and_clear(pi.update):
            with atomic():
                pi.active = not pi.active
                pi.event = True
        test_and_clear(pi.event)
        lock_set(pi.in_guest, True)
        pi_sync()
        if pi.update or pi.event:
            lock_set(pi.in_guest, False)
            continue
        running = True
        while running:
            match choose():
                case "interrupt":
                    with atomic():
                        wait(highest(pi.irr) > highest(pi.isr))
                        pi.isr = with_bit(pi.isr, highest(pi.irr), True)
                        pi.irr = with_bit(pi.irr, highest(pi.irr), False)
                case "EOI":
                    with atomic():
                        wait(pi.isr != 0)
                        pi.isr = with_bit(pi.isr, highest(pi.isr), False)
                case "notification":
                    with atomic():
                        wait(pi.notified)
                        pi.notified = False
                    if pi.active:
                        pi_sync()
                    else:
                        running = False
                case "exit":
                    lock_set(pi.in_guest, False)
                    running = False
        lock_set(pi.in_guest, False)
        match choose():
            case "switch out and in":
                lock_set(pi.control.sn, True)
                test_and_clear(pi.control.sn)
                with window("load"):
                    if pi.pir != 0:
                        lock_set(pi.control.on, True)
            case "stay":
                pass
