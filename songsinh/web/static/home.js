// The list of twins keeps itself fresh.
import { follow, refresh, seldom, tellAges } from "./live.js";

const again = seldom(5000, () => refresh("twins"));
const names = [...document.querySelectorAll("[data-twin]")].map((row) => row.dataset.twin);
if (names.length) follow(names, again);
tellAges();
setInterval(tellAges, 5000);
