import { z } from "zod";
import { printableLine } from "./text/palette.ts";

/**
 * A text of a page. Programs of the mesh's users have a say in it, such as a proxy in its version, and a pod may have
 * another program at the proxy's port: on a terminal it must be one line without a control.
 */
export const pageText = z.string().transform(printableLine);
