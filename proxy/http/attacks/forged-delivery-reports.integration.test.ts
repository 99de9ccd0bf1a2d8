import type { UpstreamHttpVersion } from "../../../mesh/policy/types.ts";
import { meshDestination } from "../../mesh-identities-fixture.ts";
import { startOutboundSide } from "../../outbound-side-fixture.ts";
import { runForgedReports } from "./forged-reports-fixture.ts";

function startSidecar(httpVersion: UpstreamHttpVersion): Parameters<typeof runForgedReports>[2] {
  return async (cleanup, pods) => {
    const overrides = { protocol: "http", connectionPool: { httpVersion } } as const;
    const { port } = await startOutboundSide(cleanup, { destination: meshDestination(pods, { overrides }) });
    return port;
  };
}

runForgedReports("a sidecar", "relays bytes", startSidecar("1.1"));
runForgedReports("a sidecar", "has HTTP/2", startSidecar("2"));
