// The checks by name.
import { views } from "./views.mjs";
import { restart } from "./restart.mjs";
import { live } from "./live.mjs";
import { weight } from "./weight.mjs";
import { names } from "./names.mjs";
import { pan } from "./pan.mjs";
import { permalinks } from "./permalinks.mjs";
import { detectors } from "./detectors.mjs";
import { pictures } from "./pictures.mjs";
import { figures } from "./figures.mjs";
import { session } from "./session.mjs";
import { downloads } from "./downloads.mjs";

export const checks = { views, restart, live, weight, names, pan, permalinks, downloads, figures, pictures, detectors, session };
