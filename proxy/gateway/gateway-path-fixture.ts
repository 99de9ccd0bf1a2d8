/** For tests: the path of a request through the gateway, for the tests that sidecar and gateway share. */
import { startLenientUpstream } from "../../net/lenient-upstream-fixture.ts";
import type { HttpPath } from "../http/paths/http-path-fixture.ts";
import { ROUTE_ALL, startTestGateway } from "./gateway-fixture.ts";

export const GATEWAY_PATH: HttpPath = {
  name: "the gateway",
  raisesVersion: true,
  needsHost: true,
  start: async (cleanup, reply) => {
    const upstream = await startLenientUpstream(cleanup, reply);
    const listeners = [{ port: 0, virtualHosts: [{ hosts: ["shop.example", "*"], routes: [ROUTE_ALL] }] }];
    const { port } = await startTestGateway(cleanup, upstream.port, { listeners });
    return { upstream, port };
  },
};
