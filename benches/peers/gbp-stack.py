"""Text frames of the published gbp-stack package, as its users make and take them. The steps of text-frames.mjs."""

import json
import sys
import time

from gbp_stack import GroupNode, GtpClient, MlsContext

WARM_UP = 200
BATCH = 50


def member(number, mls):
    node = GroupNode.create(number, mls.group_id)
    node.bootstrap_as_creator(mls.epoch)
    node.drain_events()
    return node, GtpClient.create()


def pair():
    alice, bob = MlsContext.create("alice"), MlsContext.create("bob")
    bob.accept_welcome(alice.invite(bob.export_key_package()))
    return (alice, *member(1, alice)), (bob, *member(2, bob))


def opened(mls, node, client, wire):
    """What a user does with a frame that came."""
    for event in node.on_wire(mls, wire):
        if event.kind == "payload_received":
            return client.accept(event.plaintext, mls.epoch, event.codec)
    raise RuntimeError("refused")


def scenario(length, messages, samples):
    (alice, near, says), (bob, far, hears) = pair()
    text = "x" * length
    sealing = opening = 0
    for first in range(1, messages + 1, BATCH):
        start = time.perf_counter_ns()
        wires = [says.send(near, alice, 0, first + number, text).wire for number in range(BATCH)]
        sealing += time.perf_counter_ns() - start
        start = time.perf_counter_ns()
        heard = [opened(bob, far, hears, wire) for wire in wires]
        opening += time.perf_counter_ns() - start
        if any(each.status != "new" or each.text != text for each in heard):
            raise RuntimeError("another text came out")
    samples["seal"].append((sealing, messages))
    samples["open"].append((opening, messages))


def main():
    options = json.loads(sys.argv[1])
    scenario(options["length"], WARM_UP, {"seal": [], "open": []})
    samples = {"seal": [], "open": []}
    for _ in range(options["batches"]):
        scenario(options["length"], options["messages"], samples)
    print(json.dumps({name: [elapsed / count for elapsed, count in each] for name, each in samples.items()}))


main()
