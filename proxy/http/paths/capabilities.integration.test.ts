import { runCapabilityContract } from "./capability-contract-fixture.ts";
import { SIDECAR_PATHS } from "./http-path-fixture.ts";

for (const path of SIDECAR_PATHS) runCapabilityContract(path);
