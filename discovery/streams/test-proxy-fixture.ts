/** A proxy for tests, which sends and reads one message at a time. */
import { create, fromBinary, type MessageInitShape } from "@bufbuild/protobuf";
import type { Client } from "@connectrpc/connect";
import type { WorkloadRef } from "../../mesh/api/convert.ts";
import { destinationFromMessage, inboundFromMessage } from "../../mesh/api/convert.ts";
import { gatewayFromMessage } from "../../mesh/api/convert-gateway.ts";
import { messageFromSubscription, type ResourceName } from "../../mesh/api/convert-subscription.ts";
import { trustBundleFromMessage } from "../../mesh/api/convert-trust-bundle.ts";
import {
  DestinationResourceSchema,
  type DiscoverRequest,
  DiscoverRequestSchema,
  type DiscoverResponse,
  type DiscoveryService,
  GatewayResourceSchema,
  InboundResourceSchema,
  TrustBundleResourceSchema,
  type Value,
} from "../../mesh/api/gen/discovery_pb.ts";
import type { Destination, GatewayConfig, Inbound, TrustBundle } from "../../mesh/policy/types.ts";

export const workload: WorkloadRef = { namespace: "ns1", name: "hello-1" };

export class TestProxy {
  readonly #queue: DiscoverRequest[] = [];
  readonly #responses: AsyncIterator<DiscoverResponse>;
  #wake: () => void = () => undefined;
  #isEnded = false;

  constructor(client: Client<typeof DiscoveryService>, signal: AbortSignal) {
    this.#responses = client.discover(this.#requests(), { signal })[Symbol.asyncIterator]();
  }

  send(request: MessageInitShape<typeof DiscoverRequestSchema>): this {
    this.#queue.push(create(DiscoverRequestSchema, request));
    this.#wake();
    return this;
  }

  /** The first request. */
  identify(ref: WorkloadRef = workload, version = "1.2.3"): this {
    return this.send({ proxy: { workload: ref, version } });
  }

  subscribe(id: number, resource: ResourceName, knownDigest: Uint8Array = new Uint8Array()): this {
    return this.send({ subscribe: [messageFromSubscription({ id, resource, knownDigest })] });
  }

  /** Ends its own side of the stream. */
  end(): void {
    this.#isEnded = true;
    this.#wake();
  }

  async response(): Promise<DiscoverResponse> {
    const { value, done } = await this.#responses.next();
    if (done === true) throw new Error("the stream ended");
    return value;
  }

  /** The only update of the next response. */
  async update() {
    const { updates } = await this.response();
    const [update, ...others] = updates;
    if (update === undefined || others.length > 0) throw new Error(`the response has ${updates.length} updates`);
    return update;
  }

  /** The only value of the next response. */
  async value(): Promise<Value> {
    const { result } = await this.update();
    if (result.case !== "value") throw new Error(`the update is ${result.case}: ${JSON.stringify(result.value)}`);
    return result.value;
  }

  async inbound(): Promise<Inbound> {
    return inboundFromMessage(fromBinary(InboundResourceSchema, (await this.value()).encoded));
  }

  async destination(): Promise<Destination> {
    return destinationFromMessage(fromBinary(DestinationResourceSchema, (await this.value()).encoded));
  }

  async trustBundle(): Promise<TrustBundle> {
    return trustBundleFromMessage(fromBinary(TrustBundleResourceSchema, (await this.value()).encoded));
  }

  async gateway(): Promise<GatewayConfig> {
    return gatewayFromMessage(fromBinary(GatewayResourceSchema, (await this.value()).encoded));
  }

  async *#requests(): AsyncGenerator<DiscoverRequest, void> {
    for (;;) {
      const request = this.#queue.shift();
      if (request !== undefined) yield request;
      else if (this.#isEnded) return;
      else {
        await new Promise<void>((resolve) => {
          this.#wake = resolve;
        });
      }
    }
  }
}
