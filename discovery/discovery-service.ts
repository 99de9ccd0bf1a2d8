import { hash } from "node:crypto";
import { type DescMessage, type MessageShape, toBinary } from "@bufbuild/protobuf";
import { Code, ConnectError, type ConnectRouter } from "@connectrpc/connect";
import {
  destinationTargetFromMessage,
  messageFromDestination,
  messageFromInbound,
  messageFromTrustBundle,
} from "../mesh/api/convert.ts";
import { ConvertError } from "../mesh/api/convert-error.ts";
import { messageFromGateway } from "../mesh/api/convert-gateway.ts";
import {
  DiscoveryService,
  type WatchDestinationRequest,
  type WatchDestinationResponse,
  WatchDestinationResponseSchema,
  type WatchGatewayResponse,
  WatchGatewayResponseSchema,
  type WatchInboundResponse,
  WatchInboundResponseSchema,
  type WatchTrustBundleResponse,
  WatchTrustBundleResponseSchema,
} from "../mesh/api/gen/discovery_pb.ts";
import type { MeshSettings } from "../mesh/mesh-settings.ts";
import { decideDestination } from "../mesh/policy/destinations/destination.ts";
import { decideInbound } from "../mesh/policy/inbound.ts";
import { decideGateway } from "../mesh/policy/routing/gateway.ts";
import type { Destination, DestinationTarget } from "../mesh/policy/types.ts";
import { formatResourceKey } from "../mesh/resources/fields/resource-names.ts";
import type { Pod } from "../mesh/resources/kinds/pod.ts";
import type { Clock, Logger, LogLimiter } from "../mesh/runtime.ts";
import { CallerStreams } from "./caller-streams.ts";
import type { ConfigSource } from "./config-source.ts";
import { DEFAULT_STREAM_LIMITS, type StreamLimits } from "./stream-limits.ts";
import { type Answer, Subscriptions, shareAnswers } from "./subscriptions.ts";

/** The root certificates that are trusted, PEM; the certificate authority publishes them. */
export interface RootsSource {
  current(): readonly string[];
  /** Calls after each change. Returns how to stop. */
  subscribe(listener: () => void): () => void;
}

export interface DiscoveryServiceOptions {
  readonly source: ConfigSource;
  readonly roots: RootsSource;
  readonly settings: MeshSettings;
  readonly clock: Clock;
  readonly log: Logger;
  /** Asked before a line that a caller causes. */
  readonly limitLog: LogLimiter;
  /** @default DEFAULT_STREAM_LIMITS */
  readonly limits?: StreamLimits;
  /** Ends all streams, so that their clients go to another control plane. */
  readonly shutdown: AbortSignal;
}

/** Serves the decisions of the mesh as streams to callers that showed a workload's certificate. */
export function registerDiscoveryService(router: ConnectRouter, options: DiscoveryServiceOptions): void {
  const { settings, clock, log, limitLog, shutdown, limits = DEFAULT_STREAM_LIMITS } = options;
  const subscriptions = startSubscriptions(options);
  const streams = new CallerStreams({ subscriptions, limits, clock, log, limitLog, shutdown });
  const shareBundle = shareAnswers<WatchTrustBundleResponse>();
  // Addresses outside the mesh are as many as callers like: they share one answer and are not remembered.
  const outside = answerDestination({ kind: "passthrough" });
  const shareDestination = shareAnswers<WatchDestinationResponse>(({ destination }) => destination.case === "mesh");
  const shareInbound = shareAnswers<WatchInboundResponse>();
  const shareGateway = shareAnswers<WatchGatewayResponse>();
  router.service(DiscoveryService, {
    watchTrustBundle: (_request, context) =>
      streams.watchForAll(context, (view) => shareBundle(view, "", () => answerTrustBundle(view.roots, settings))),
    watchInbound: (request, context) =>
      streams.watchForPod(context, request.workload, (pod, view) =>
        shareInbound(view, nameOf(pod), () =>
          answer(WatchInboundResponseSchema, messageFromInbound(decideInbound({ set: view.set, settings, pod }))),
        ),
      ),
    watchDestination: (request, context) => {
      const target = parseTarget(request);
      return streams.watchForPod(context, request.workload, (pod, view) => {
        const client = { namespace: pod.metadata.namespace, labels: pod.metadata.labels };
        return shareDestination(view, JSON.stringify([client, target]), () => {
          const destination = decideDestination({ set: view.set, settings, client, target });
          return destination.kind === "passthrough" ? outside : answerDestination(destination);
        });
      });
    },
    watchGateway: (request, context) =>
      streams.watchForPod(context, request.workload, (pod, view) =>
        shareGateway(view, nameOf(pod), () =>
          answer(WatchGatewayResponseSchema, messageFromGateway(decideGateway({ set: view.set, settings, pod }))),
        ),
      ),
  });
}

function nameOf({ metadata }: Pod): string {
  return formatResourceKey(metadata.namespace, metadata.name);
}

function startSubscriptions({ source, roots, log, limitLog, shutdown }: DiscoveryServiceOptions): Subscriptions {
  const view = () => ({ set: source.current(), roots: roots.current() });
  const subscriptions = new Subscriptions({ log, limitLog, view });
  const refresh = (): void => subscriptions.refresh();
  const stops = [source.subscribe(refresh), roots.subscribe(refresh)];
  const stop = (): void => {
    for (const stopOne of stops) stopOne();
  };
  shutdown.addEventListener("abort", stop, { once: true });
  return subscriptions;
}

function answerTrustBundle(roots: readonly string[], settings: MeshSettings): Answer<WatchTrustBundleResponse> {
  const trustDomains = [settings.trustDomain, ...settings.trustDomainAliases];
  return answer(WatchTrustBundleResponseSchema, messageFromTrustBundle({ roots, trustDomains }));
}

function answerDestination(destination: Destination): Answer<WatchDestinationResponse> {
  return answer(WatchDestinationResponseSchema, messageFromDestination(destination));
}

function answer<Schema extends DescMessage>(
  schema: Schema,
  message: MessageShape<Schema>,
): Answer<MessageShape<Schema>> {
  const bytes = toBinary(schema, message);
  return { message, digest: hash("sha256", bytes, "base64"), bytes: bytes.length };
}

/** Longest DNS name, and longest label, which a subset's name must be (RFC 1035). */
const MAX_HOST = 253;
const MAX_SUBSET = 63;
const MAX_IP = 45;

function parseTarget(request: WatchDestinationRequest): DestinationTarget {
  try {
    const target = destinationTargetFromMessage(request);
    const isTooLong =
      target.kind === "address"
        ? target.ip.length > MAX_IP
        : target.host.length > MAX_HOST || target.subset.length > MAX_SUBSET;
    if (isTooLong) throw new ConvertError("an address, a host or a subset is longer than any can be");
    return target;
  } catch (caught) {
    if (!(caught instanceof ConvertError)) throw caught;
    throw new ConnectError(caught.message, Code.InvalidArgument);
  }
}
