//! What renew has written down of `app`, to look into and to change.

use std::fs;

use serde_json::Value;

use super::Sandbox;

impl Sandbox {
    /// The record of `app`, without its seal, which is for accidents.
    #[track_caller]
    pub fn record(&self) -> Value {
        let text = fs::read(self.state().join("services/app.json")).expect("a record");
        let mut record: Value = serde_json::from_slice(&text).expect("a record");
        record.as_object_mut().expect("an object").remove("seal");
        record
    }

    /// Puts another record in its place.
    #[track_caller]
    pub fn store_record(&self, record: &Value) {
        let text = serde_json::to_vec(record).expect("JSON");
        fs::write(self.state().join("services/app.json"), text).expect("a record");
    }

    /// As if so much time had passed that what failed is tried again.
    #[track_caller]
    pub fn later(&self) {
        if !self.state().join("services/app.json").exists() {
            return;
        }
        let mut record = self.record();
        if record.as_object_mut().expect("an object").remove("delays").is_some() {
            self.store_record(&record);
        }
    }
}
