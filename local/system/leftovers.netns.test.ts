import { execFileSync } from "node:child_process";
import { afterEach, expect, it } from "vitest";
import { leftoversOf } from "./leftovers-fixture.ts";

const OWN = `entente-test-${process.pid}`;
const FOREIGN = `cni-${process.pid}`;
const LINK = `cni${process.pid}`;
/** Cleanup functions, the newest first. */
const made: (readonly string[])[] = [];

function make(add: readonly string[], remove: readonly string[]): void {
  execFileSync("ip", [...add]);
  made.unshift(remove);
}

afterEach(() => {
  for (const remove of made.splice(0)) execFileSync("ip", [...remove]);
});

it("what another program creates during tests is not reported", () => {
  make(["netns", "add", FOREIGN], ["netns", "delete", FOREIGN]);
  make(["link", "add", LINK, "type", "veth", "peer", "name", "eth0", "netns", FOREIGN], ["link", "delete", LINK]);
  expect(leftoversOf()).toEqual([]);
});

it("a namespace of a finished test is reported", () => {
  make(["netns", "add", OWN], ["netns", "delete", OWN]);
  make(["netns", "add", FOREIGN], ["netns", "delete", FOREIGN]);
  expect(leftoversOf()).toEqual([`network namespace: ${OWN}`]);
  // Tests of another process have another id.
  expect(leftoversOf([process.ppid])).toEqual([]);
});
