import { SIDECAR_PATHS } from "./http-path-fixture.ts";
import { runSmugglingContract } from "./smuggling-contract-fixture.ts";

for (const path of SIDECAR_PATHS) runSmugglingContract(path);
