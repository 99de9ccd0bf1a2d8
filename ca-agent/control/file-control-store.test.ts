import {
  chmodSync,
  chownSync,
  linkSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { systemClock } from "../../mesh/runtime.ts";
import { storeControlFile } from "./control-files.ts";
import { EMPTY_CONTROL_STATE } from "./control-state.ts";
import type { ControlStore } from "./control-store.ts";
import { adding, runControlStoreContract, serialNumbersOf } from "./control-store-contract-fixture.ts";
import { createFileControlStore } from "./file-control-store.ts";

let directory: string;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "entente-control-"));
});
afterEach(() => rmSync(directory, { recursive: true, force: true }));

function open(): ControlStore {
  return createFileControlStore(directory, { clock: systemClock, random: Math.random });
}

function write(name: string, text: string, mode = 0o600): void {
  writeFileSync(join(directory, name), text, { mode });
  chmodSync(join(directory, name), mode);
}

describe("the state in a directory", () => {
  runControlStoreContract(open);

  it("is eight files at most that only their owner can access, and nothing is left of how they were written", async () => {
    for (let count = 1; count <= 11; count += 1) await open().update(adding(String(count)));
    const names = [4, 5, 6, 7, 8, 9, 10, 11].map((generation) => `entente-ca.${generation}.json`);
    expect(readdirSync(directory).toSorted()).toEqual(names.toSorted());
    expect(new Set(names.map((name) => statSync(join(directory, name)).mode & 0o777))).toEqual(new Set([0o600]));
  });

  it("is stored once, though the next change is there before its writer has looked", async () => {
    // Another writer needs its name alone, not the end of the call that stores it.
    expect(await storeControlFile(directory, '{"revocations":[]}', 1)).toBe(true);
    expect(await storeControlFile(directory, '{"revocations":[]}', 0)).toBe(true);
  });

  it("is empty while the directory does not exist", async () => {
    rmSync(directory, { recursive: true });
    expect(await open().read()).toEqual(EMPTY_CONTROL_STATE);
    await expect(open().update(adding("A"))).rejects.toThrow("control_write: cannot store");
  });

  it("is the newest file, whatever a crash has left behind", async () => {
    await open().update(adding("A"));
    write("entente-ca.0.json", '{"revocations":[]}');
    write(".entente-ca.1b4e28ba.draft", '{"revoc');
    write("entente-ca.2.json.bak", "x");
    expect(serialNumbersOf(await open().read())).toEqual(["A"]);
    await open().update(adding("B"));
    expect(readdirSync(directory)).toContain("entente-ca.2.json");
    expect(serialNumbersOf(await open().read())).toEqual(["A", "B"]);
  });

  it("is never taken back by a writer that was overtaken again and again", async () => {
    await open().update(adding("A"));
    let isFirst = true;
    const after = await open().update((state) => {
      if (isFirst) {
        isFirst = false;
        // Others write so often that the numbers between are free again.
        write("entente-ca.10.json", '{"revocations":[]}');
        rmSync(join(directory, "entente-ca.1.json"));
      }
      return adding("B")(state);
    });
    expect(serialNumbersOf(after)).toEqual(["B"]);
    expect(readdirSync(directory).toSorted()).toEqual(["entente-ca.10.json", "entente-ca.11.json"]);
  });

  it.each([
    { name: "half written", text: '{"revocations":[{"serial":"4F"', reason: "entente-ca.7.json: the file is not JSON" },
    { name: "empty", text: "", reason: "entente-ca.7.json: the file is not JSON" },
    { name: "too large", text: " ".repeat(3 * 1024 * 1024), reason: "3145728 bytes" },
  ])("that is $name is an error, and is not replaced", async ({ text, reason }) => {
    write("entente-ca.7.json", text);
    await expect(open().read()).rejects.toThrow(reason);
    await expect(open().update(adding("A"))).rejects.toThrow("control_state");
    expect(readdirSync(directory)).toEqual(["entente-ca.7.json"]);
  });

  it("that another user could write is refused", async () => {
    write("entente-ca.7.json", '{"revocations":[]}', 0o622);
    await expect(open().read()).rejects.toThrow('run "chmod 600');
  });

  it.runIf(process.getuid?.() === 0)(
    "belongs to the user whose root is there, in an emptyDir that belongs to root",
    async () => {
      const user = 1337;
      mkdirSync(join(directory, "self-signed"), { mode: 0o700 });
      chownSync(join(directory, "self-signed"), user, user);
      const file = (number: number) => join(directory, `entente-ca.${number}.json`);
      await open().update(adding("A"));
      expect([statSync(file(1)).uid, statSync(file(1)).mode & 0o777]).toEqual([user, 0o600]);
      expect(serialNumbersOf(await open().read())).toEqual(["A"]);
      // Another user cannot make a file its own.
      mkdirSync(join(directory, "self-signed.2"));
      chownSync(join(directory, "self-signed.2"), user + 1, user + 1);
      await expect(open().read()).rejects.toThrow("could be written by another user");
    },
  );

  it("that is a directory is an error", async () => {
    mkdirSync(join(directory, "entente-ca.7.json"));
    await expect(open().read()).rejects.toThrow("control_state");
  });

  it("gives up when others are always faster", async () => {
    write("entente-ca.1.json", '{"revocations":[]}');
    let next = 1;
    const overtaken = open().update((state) => {
      next += 1;
      linkSync(join(directory, `entente-ca.${next - 1}.json`), join(directory, `entente-ca.${next}.json`));
      return adding("A")(state);
    });
    await expect(overtaken).rejects.toThrow("control_conflict");
  });
});
