import { describe } from "vitest";
import { ATTACK_DOORS } from "./attack-doors-fixture.ts";
import { startHttp1Origin } from "./attack-origin-fixture.ts";
import { runWireAttackContract } from "./wire-attack-contract-fixture.ts";

describe.each(ATTACK_DOORS.map((door) => ({ door, name: door.name })))(
  "an HTTP/2 client of an HTTP/1.1 application, through $name",
  ({ door }) => runWireAttackContract({ door, protocol: "http", startOrigin: startHttp1Origin }),
);
