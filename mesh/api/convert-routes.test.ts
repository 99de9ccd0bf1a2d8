import { create, fromBinary, type MessageInitShape, toBinary } from "@bufbuild/protobuf";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { HttpRoute } from "../policy/routing/http-route.ts";
import { routeArbitrary } from "../policy/routing/route-arbitrary-fixture.ts";
import { destinationFromMessage, messageFromDestination } from "./convert.ts";
import { ConvertError } from "./convert-error.ts";
import { messageFromRoute, routeFromMessage } from "./convert-routes.ts";
import { DestinationResourceSchema, HttpRouteSchema } from "./gen/discovery_pb.ts";

function convertAndBack(route: HttpRoute): HttpRoute {
  const wire = toBinary(HttpRouteSchema, create(HttpRouteSchema, messageFromRoute(route)));
  return routeFromMessage(fromBinary(HttpRouteSchema, wire));
}

describe("a route", () => {
  it("converts to a message and back without loss", () => {
    fc.assert(
      fc.property(routeArbitrary, (route) => {
        expect(convertAndBack(route)).toEqual(route);
      }),
    );
  });

  it("is part of a destination", () => {
    const routes = fc.sample(routeArbitrary, 3);
    const destination = {
      kind: "mesh",
      host: "a",
      port: 80,
      subset: "",
      protocol: "http",
      sni: "",
      identities: [],
      tlsRule: "",
      endpoints: [],
      service: undefined,
      connectionPool: { httpVersion: "1.1" },
      routes,
    } as const;
    const wire = toBinary(DestinationResourceSchema, messageFromDestination(destination));
    expect(destinationFromMessage(fromBinary(DestinationResourceSchema, wire))).toEqual(destination);
  });

  it("that is equal encodes to equal bytes, so that nothing is sent again", () => {
    const bytes = (route: HttpRoute) => toBinary(HttpRouteSchema, create(HttpRouteSchema, messageFromRoute(route)));
    fc.assert(
      fc.property(routeArbitrary, (route) => {
        expect(bytes(structuredClone(route))).toEqual(bytes(route));
      }),
    );
  });
});

describe("an invalid route is an error: it applies completely or not at all", () => {
  const edit = (set: object) => ({ headers: { request: { set: [set] } } });
  it.each<{ name: string; route: MessageInitShape<typeof HttpRouteSchema> }>([
    { name: "a target without a host", route: { targets: [{ weight: 1 }] } },
    { name: "a target's port 0", route: { targets: [{ target: { host: "a" } }] } },
    { name: "a parameter match without a kind", route: { matches: [{ queryParams: [{ name: "a" }] }] } },
    { name: "a scheme match without a kind", route: { matches: [{ scheme: {} }] } },
    { name: "an invalid path", route: { rewrite: { uri: "x" } } },
    { name: "a path with a line break", route: { rewrite: { uri: "/\r\n" } } },
    { name: "an authority with a line break", route: { rewrite: { authority: "a\r\nb" } } },
    {
      name: "a target's authority with a space",
      route: { targets: [{ target: { host: "a", port: 1 }, authority: "a b" }] },
    },
    { name: "a redirect without a status", route: { redirect: { uri: "/" } } },
    { name: "a redirect to another scheme", route: { redirect: { scheme: "javascript", code: 301 } } },
    { name: "a redirect to port 65536", route: { redirect: { port: 65536, code: 301 } } },
    { name: "a timeout longer than any timer", route: { timeoutMs: 0xff_ff_ff_ff } },
    { name: "a delay longer than any timer", route: { fault: { delay: { fixedDelayMs: 0xff_ff_ff_ff } } } },
    { name: "a percentage above 100", route: { fault: { abort: { httpStatus: 500, percentage: 101 } } } },
    {
      name: "a percentage that is not a number",
      route: { fault: { abort: { httpStatus: 500, percentage: Number.NaN } } },
    },
    { name: "an abort without a status", route: { fault: { abort: { percentage: 100 } } } },
    {
      name: "an abort with an unknown status of gRPC",
      route: { fault: { abort: { httpStatus: 500, grpcStatus: 17, percentage: 100 } } },
    },
    { name: "a framing field in an operation", route: edit({ name: "Content-Length", value: "0" }) },
    { name: "an identity field in an operation", route: edit({ name: "x-forwarded-client-cert", value: "a" }) },
    { name: "Host in an operation", route: edit({ name: "host", value: "a" }) },
    { name: "a value with a line break", route: edit({ name: "a", value: "b\r\nc: d" }) },
    { name: "a name that is not a token", route: edit({ name: "a b", value: "" }) },
    { name: "a removed framing field", route: { headers: { response: { remove: ["transfer-encoding"] } } } },
    {
      name: "an operation of a target",
      route: { targets: [{ target: { host: "a", port: 1 }, ...edit({ name: "te" }) }] },
    },
  ])("$name", ({ route }) => {
    expect(() => routeFromMessage(create(HttpRouteSchema, route))).toThrow(ConvertError);
  });

  it("but an unknown retry condition is ignored: there are fewer retries", () => {
    const retries = { attempts: 2, retryOn: { conditions: ["reset", "moon-phase"], grpcStatuses: [14, 99] } };
    const read = routeFromMessage(create(HttpRouteSchema, { retries })).retries?.retryOn;
    expect(read).toEqual({ conditions: ["reset"], statuses: [], grpcStatuses: [14] });
  });
});
