// The dashboard's script: each module adds one thing to pages that are readable without it.
import { tick } from "./time.js";
import { startCopying } from "./copy.js";
import { startKeys } from "./keys.js";
import { startPlots } from "./plots.js";
import { startLog } from "./log.js";
import { startLive } from "./live.js";

tick(document);
setInterval(() => tick(document), 1000);
startCopying();
startKeys();
startLive({ plots: startPlots(), log: startLog() });
