import { runCapabilityContract } from "../http/paths/capability-contract-fixture.ts";
import { GATEWAY_PATH } from "./gateway-path-fixture.ts";

runCapabilityContract(GATEWAY_PATH);
