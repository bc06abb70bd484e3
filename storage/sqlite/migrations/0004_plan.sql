-- What was promised of a link; 0 if nothing was.
ALTER TABLE links ADD COLUMN plan_down REAL NOT NULL DEFAULT 0; -- bits per second
ALTER TABLE links ADD COLUMN plan_up REAL NOT NULL DEFAULT 0;
ALTER TABLE links ADD COLUMN plan_availability REAL NOT NULL DEFAULT 0;
