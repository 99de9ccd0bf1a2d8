import { create, type MessageInitShape } from "@bufbuild/protobuf";
import { createRouterTransport } from "@connectrpc/connect";
import { expect, it } from "vitest";
import {
  type DiscoverRequest,
  DiscoverRequestSchema,
  type DiscoverResponse,
  DiscoverResponseSchema,
  UpdateSchema,
} from "../../../mesh/api/gen/discovery_pb.ts";
import { systemClock } from "../../../mesh/runtime.ts";
import { type DiscoveryLink, DiscoveryStream } from "./discovery-stream.ts";

type Requests = AsyncIterable<MessageInitShape<typeof DiscoverRequestSchema>>;

const connection: DiscoveryLink["connection"] = {
  transport: createRouterTransport(() => undefined),
  certificate: undefined,
  draining: new Promise(() => undefined),
  closed: new Promise(() => undefined),
  isAlive: () => true,
  close: () => undefined,
};

/** Updates that the test's proxy rejects have this fault; the others are taken. */
const BAD = "bad";

function response(nonce: number, ...updates: readonly (readonly [id: number, fault: string])[]): DiscoverResponse {
  return create(DiscoverResponseSchema, {
    nonce,
    updates: updates.map(([id, value]) => create(UpdateSchema, { id, result: { case: "fault", value } })),
  });
}

/** The acknowledgement of responses that all arrive before it is sent. */
async function acknowledgementOf(...responses: readonly DiscoverResponse[]): Promise<DiscoverRequest> {
  const received = Promise.withResolvers<DiscoverRequest>();
  async function* discover(sent: Requests): AsyncGenerator<DiscoverResponse> {
    const requests = sent[Symbol.asyncIterator]();
    await requests.next();
    yield* responses;
    const { value } = await requests.next();
    received.resolve(create(DiscoverRequestSchema, value));
    await new Promise(() => undefined);
  }
  const proxy = { workload: { namespace: "ns1", name: "hello-1" }, version: "1.2.3", clock: systemClock };
  const stream = new DiscoveryStream({ connection, client: { discover } }, proxy, {
    onUpdate: (_stream, { result }) => (result.value === BAD ? { reason: "it is bad", root: "AA:BB" } : undefined),
    onResponse: () => undefined,
    onFailure: (_stream, error) => received.reject(error),
  });
  stream.open([]);
  try {
    return await received.promise;
  } finally {
    stream.close();
  }
}

it("one acknowledgement is for all responses before it, with what was rejected in any of them", async () => {
  const { acknowledgement } = await acknowledgementOf(response(1, [1, BAD], [2, ""]), response(2, [3, BAD]));
  expect(acknowledgement).toMatchObject({
    nonce: 2,
    rejections: [
      { id: 1, reason: "it is bad", root: "AA:BB" },
      { id: 3, reason: "it is bad", root: "AA:BB" },
    ],
  });
});

it("a value that was rejected and replaced before the acknowledgement is not reported as rejected", async () => {
  const { acknowledgement } = await acknowledgementOf(response(1, [1, BAD]), response(2, [1, ""]));
  expect(acknowledgement).toMatchObject({ nonce: 2, rejections: [] });
});
