fn main() {
    let _ = watertight::catalog!("SELECT 1");
}
