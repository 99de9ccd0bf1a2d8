import { runCapabilityContract } from "./capability-contract-fixture.ts";
import { SIDECAR_PATHS } from "./http-path-fixture.ts";
import { runHttp2CapabilityContract } from "./http2-capability-contract-fixture.ts";

for (const path of SIDECAR_PATHS) {
  runCapabilityContract(path);
  runHttp2CapabilityContract(path);
}
