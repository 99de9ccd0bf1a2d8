import { runForgedReports } from "../../http/attacks/forged-reports-fixture.ts";
import { meshDestination } from "../../mesh-identities-fixture.ts";
import { createTestUpstreamDialer } from "../../outbound-side-fixture.ts";
import { createNoMetrics } from "../../telemetry/proxy-metrics.ts";
import { startTestGateway } from "../gateway-fixture.ts";

// The gateway's upstream connections are of HTTP/1.1 alone.
runForgedReports("a gateway", "relays bytes", async (cleanup, pods) => {
  const destination = meshDestination(pods, { overrides: { protocol: "http" } });
  const { dialer } = createTestUpstreamDialer(cleanup, { destination, meters: createNoMetrics() });
  const { port } = await startTestGateway(cleanup, 1, { dialer });
  return port;
});
