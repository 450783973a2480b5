//! renew.json, from text with positions to validated types.
