import { describe } from "vitest";
import { ATTACK_DOORS } from "./attack-doors-fixture.ts";
import { startHttp1Origin, startHttp2Origin } from "./attack-origin-fixture.ts";
import { runWireAttackContract } from "./wire-attack-contract-fixture.ts";

const PATHS = ATTACK_DOORS.flatMap((door) => [
  { door, name: door.name, version: "1.1", protocol: "http", startOrigin: startHttp1Origin } as const,
  { door, name: door.name, version: "2", protocol: "http2", startOrigin: startHttp2Origin } as const,
]);

describe.each(PATHS)("an HTTP/2 client of an application of HTTP/$version, through $name", (path) =>
  runWireAttackContract(path),
);
