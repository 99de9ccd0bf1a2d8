import { readdirSync } from "node:fs";
import { expect, it } from "vitest";
import { RecordingLogger } from "../../mesh/recording-logger-fixture.ts";
import { readMachineFacts } from "./read-machine-facts.ts";

const read = (changes: object = {}) =>
  readMachineFacts({
    ...{ platform: process.platform, uid: process.getuid?.(), projectFolder: process.cwd() },
    ...{ env: process.env, log: new RecordingLogger(), signal: new AbortController().signal },
    ...changes,
  });

it("sets the rules of a pod in a network namespace that it removes again", async () => {
  const { capture } = await read();
  expect(capture.kind === "known" ? capture.value.map(({ family }) => family) : capture.reason).toContain("ipv4");
  expect(readdirSync("/run/netns").filter((name) => name.startsWith("entente-check"))).toEqual([]);
});

it("reports why the rules cannot be set", async () => {
  const { capture } = await read({ env: { PATH: "/nonexistent" } });
  expect(capture).toMatchObject({ kind: "unknown", reason: expect.stringContaining("iptables") });
});

it("tries nothing on a machine that cannot run pods", async () => {
  const { machine } = await read({ uid: 1000 });
  expect(machine).toMatchObject({ kind: "unknown", reason: expect.stringContaining("needs root") });
});
