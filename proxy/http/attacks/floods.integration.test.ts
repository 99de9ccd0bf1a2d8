import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { Cleanup } from "../../../net/cleanup-fixture.ts";
import { ERROR_CODE } from "../../http2/frames/frame-types.ts";
import { dialHttp2, type RawHttp2Client } from "../raw-http2-client-fixture.ts";
import { ATTACK_DOORS, type OpenDoor } from "./attack-doors-fixture.ts";
import { dialBystander, expectReleased } from "./attack-meter-fixture.ts";
import { type AttackOrigin, startHttp1Origin } from "./attack-origin-fixture.ts";
import { FLOOD_CASES, type FloodCase } from "./flood-cases-fixture.ts";

/** Doubled with each round, so that no limit for each second lets a slow flood pass. */
const FRAMES_IN_FIRST_ROUND = 200;
/** 51,000 frames: more than the limits of a peer of the mesh allow. */
const MAX_ROUNDS = 8;

/** Each kind of client: of neither pod nor mesh, of the mesh, and of the pod, which has the limits of the mesh. */
const DOORS = ATTACK_DOORS.filter(({ name }) => name !== "two sidecars").map((door) => ({
  ...{ name: door.name, door },
  floods: FLOOD_CASES.filter(({ name }) => door.name !== "the client's sidecar" || /reset|PING|references/.test(name)),
}));

/** Floods until the connection is closed. @param betweenRounds called while the flood goes on. */
async function flood(client: RawHttp2Client, attack: FloodCase, betweenRounds: () => Promise<void>): Promise<void> {
  client.send(...(attack.opening?.(client) ?? []));
  let id = 3;
  for (let round = 0; round < MAX_ROUNDS && !client.isClosed; round += 1) {
    const frames: Buffer[] = [];
    const frameCount = FRAMES_IN_FIRST_ROUND * 2 ** round;
    for (let count = 0; count < frameCount; count += 1, id += 2) frames.push(...attack.frames(client, id));
    if (client.socket.writable) client.send(...frames);
    await betweenRounds();
  }
  client.socket.end();
  await client.closed();
}

describe.each(DOORS)("through $name", ({ door, floods }) => {
  const cleanup = new Cleanup();
  let origin: AttackOrigin;
  let open: OpenDoor;
  beforeAll(async () => {
    origin = await startHttp1Origin(cleanup);
    open = await door.start(cleanup, origin.port, "http");
  });
  afterAll(() => cleanup.run());

  it.each(floods)("a flood ends its connection, others are served and nothing is left: $name", async (attack) => {
    const { port, sides } = open;
    const faultsBefore = sides.flatMap(({ recorder }) => recorder.faults).length;
    const bystander = await dialBystander(cleanup, port);
    await bystander.expectServed();
    const attacker = await dialHttp2(cleanup, port);
    await flood(attacker, attack, () => bystander.expectServed());
    expect(attacker.goaways.map(({ code }) => code)).toEqual([ERROR_CODE.enhanceYourCalm]);
    await bystander.expectServed();
    expect(sides.flatMap(({ recorder }) => recorder.faults).slice(faultsBefore)).toContain("http2_flood");
    bystander.client.socket.end();
    origin.destroyConnections();
    await expectReleased(sides);
  });
});
