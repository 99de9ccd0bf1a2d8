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
import { type StreamResponse, Subscriptions, shareResponses } from "./subscriptions.ts";

/** The trusted root certificates, PEM; the certificate authority provides them. */
export interface RootsSource {
  current(): readonly string[];
  /** Calls the listener after each change. Returns the function that unsubscribes. */
  subscribe(listener: () => void): () => void;
}

export interface DiscoveryServiceOptions {
  readonly source: ConfigSource;
  readonly roots: RootsSource;
  readonly settings: MeshSettings;
  readonly clock: Clock;
  readonly log: Logger;
  /** Checked before a line that a caller causes. */
  readonly limitLog: LogLimiter;
  /** @default DEFAULT_STREAM_LIMITS */
  readonly limits?: StreamLimits;
  /** Ends all streams, so that their clients connect to another control plane. */
  readonly shutdown: AbortSignal;
}

/** Serves the mesh's decisions as streams to callers with a workload certificate. */
export function registerDiscoveryService(router: ConnectRouter, options: DiscoveryServiceOptions): void {
  const { settings, clock, log, limitLog, shutdown, limits = DEFAULT_STREAM_LIMITS } = options;
  const subscriptions = startSubscriptions(options);
  const streams = new CallerStreams({ subscriptions, limits, clock, log, limitLog, shutdown });
  const shareBundle = shareResponses<WatchTrustBundleResponse>();
  // Callers can invent addresses outside the mesh, so these share one response and are not cached.
  const outside = createDestinationResponse({ kind: "passthrough" });
  const shareDestination = shareResponses<WatchDestinationResponse>(({ destination }) => destination.case === "mesh");
  const shareInbound = shareResponses<WatchInboundResponse>();
  const shareGateway = shareResponses<WatchGatewayResponse>();
  router.service(DiscoveryService, {
    watchTrustBundle: (_request, context) =>
      streams.watchForAll(context, (view) =>
        shareBundle(view, "", () => createTrustBundleResponse(view.roots, settings)),
      ),
    watchInbound: (request, context) =>
      streams.watchForPod(context, request.workload, (pod, view) =>
        shareInbound(view, nameOf(pod), () =>
          createResponse(
            WatchInboundResponseSchema,
            messageFromInbound(decideInbound({ set: view.set, settings, pod })),
          ),
        ),
      ),
    watchDestination: (request, context) => {
      const target = parseTarget(request);
      return streams.watchForPod(context, request.workload, (pod, view) => {
        const client = { namespace: pod.metadata.namespace, labels: pod.metadata.labels };
        return shareDestination(view, JSON.stringify([client, target]), () => {
          const destination = decideDestination({ set: view.set, settings, client, target });
          return destination.kind === "passthrough" ? outside : createDestinationResponse(destination);
        });
      });
    },
    watchGateway: (request, context) =>
      streams.watchForPod(context, request.workload, (pod, view) =>
        shareGateway(view, nameOf(pod), () =>
          createResponse(
            WatchGatewayResponseSchema,
            messageFromGateway(decideGateway({ set: view.set, settings, pod })),
          ),
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

function createTrustBundleResponse(
  roots: readonly string[],
  settings: MeshSettings,
): StreamResponse<WatchTrustBundleResponse> {
  const trustDomains = [settings.trustDomain, ...settings.trustDomainAliases];
  return createResponse(WatchTrustBundleResponseSchema, messageFromTrustBundle({ roots, trustDomains }));
}

function createDestinationResponse(destination: Destination): StreamResponse<WatchDestinationResponse> {
  return createResponse(WatchDestinationResponseSchema, messageFromDestination(destination));
}

function createResponse<Schema extends DescMessage>(
  schema: Schema,
  message: MessageShape<Schema>,
): StreamResponse<MessageShape<Schema>> {
  const bytes = toBinary(schema, message);
  return { message, digest: hash("sha256", bytes, "base64"), bytes: bytes.length };
}

/** The longest DNS name, and the longest label, which a subset's name must fit (RFC 1035). */
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
    if (isTooLong) throw new ConvertError("an address, a host or a subset is longer than the maximum");
    return target;
  } catch (caught) {
    if (!(caught instanceof ConvertError)) throw caught;
    throw new ConnectError(caught.message, Code.InvalidArgument);
  }
}
