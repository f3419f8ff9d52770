"use strict";
// A number of so many digits, as people write it. Those that JSON does not have come as text: "NaN", "Infinity".
function number(given, digits = 3) {
  const value = Number(given);
  if (!Number.isFinite(value)) return Number.isNaN(value) ? "NaN" : value < 0 ? "−∞" : "∞";
  if (value < 0) return "−" + number(-value, digits);
  return value === 0 ? "0" : value < 1e-4 || value >= 1e6 ? value.toExponential(1) : String(Number(value.toPrecision(digits)));
}
