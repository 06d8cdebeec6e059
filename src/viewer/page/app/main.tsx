import { connect } from "../client/client"
import "./style/page.css"
connect(location.href)
