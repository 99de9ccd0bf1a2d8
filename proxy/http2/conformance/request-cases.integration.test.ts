import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type EngineEchoServer, startEngineEchoServer } from "./engine-echo-server-fixture.ts";
import { FIELD_CASES } from "./field-cases-fixture.ts";
import { isSmuggled, judgeWireCase } from "./judge-wire-case-fixture.ts";
import { MESSAGE_CASES } from "./message-cases-fixture.ts";
import { runWireCase } from "./run-wire-case-fixture.ts";

let server: EngineEchoServer;
beforeAll(async () => {
  server = await startEngineEchoServer();
});
afterAll(() => server.close());

describe("requests that servers read differently", () => {
  it.each([...FIELD_CASES, ...MESSAGE_CASES])("$name", async (testCase) => {
    const before = server.requests.length;
    expect(judgeWireCase(testCase, await runWireCase(server.port, testCase))).toEqual([]);
    expect(server.requests.slice(before).filter(isSmuggled)).toEqual([]);
  });
});
